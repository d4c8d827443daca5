package mailboxtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"waybill/schemas"
)

// Script makes a log of one user out of lines like
//
//	pushed id=p1 ttl=10s
//	connected device=a conn=g1.1.1 session=s1 count=1 cursor=none login
//
// Words after the kind are fields of the event; positions read epoch.offset,
// ids are up to 16 letters.
type Script struct {
	Now  int64 // broker time, microseconds; each record takes a millisecond
	Term schemas.Position
	next int64

	began map[string]int64 // sessions, by their logins
}

// Position of the record that Add adds next.
func (s *Script) Position() schemas.Position { return schemas.At(0, s.next) }

// Add gives an event its place in the log.
func (s *Script) Add(e *schemas.Event) (pos schemas.Position, at int64) {
	pos = s.Position()
	s.next++
	s.Now += 1000
	if e.Kind == schemas.Kind_KIND_CLAIMED {
		s.Term = pos
	}
	return pos, s.Now
}

// Skip leaves out places: the log has moved on.
func (s *Script) Skip(n int64) { s.next += n }

// Event parses a line.
func (s *Script) Event(line string) (*schemas.Event, error) {
	words := strings.Fields(line)
	kind, ok := schemas.Kind_value["KIND_"+strings.ToUpper(words[0])]
	if !ok {
		return nil, fmt.Errorf("no event is called %q", words[0])
	}
	f := &fields{values: make(map[string]string), used: make(map[string]bool)}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		f.values[k] = v
	}
	e := &schemas.Event{Kind: schemas.Kind(kind), App: "app", User: "u", Device: f.text("device"), Session: f.id("session"), Time: s.Now}
	e.SetConn(f.conn("conn"))
	s.body(e, f)
	if s.decision(e, f); e.Kind.Decided() {
		if e.Term = uint64(s.Term); f.has("term") {
			e.Term = f.pos("term")
		}
	}
	return e, f.done()
}

// body fills in what a fact says.
func (s *Script) body(e *schemas.Event, f *fields) {
	switch e.Kind {
	case schemas.Kind_KIND_PUSHED:
		x := &schemas.Pushed{PushId: f.id("id"), Ttl: f.span("ttl").Milliseconds(), Body: make([]byte, f.number("bytes")), CollapseKey: f.text("collapse"), FirstDeviceWins: f.has("first-wins"), Label: f.text("label")}
		if f.has("named") {
			x.Name = "named"
		}
		if f.has("in") {
			x.DeliverAt = s.Now + f.span("in").Microseconds()
		}
		x.Digest = x.DigestFor(e.Device)
		e.Pushed = x
	case schemas.Kind_KIND_CANCEL_ASKED:
		e.CancelAsked = &schemas.CancelAsked{PushId: f.id("id")}
	case schemas.Kind_KIND_CONNECTED:
		e.Connected = &schemas.Connected{
			Login: f.has("login"), Install: f.id("install"), Count: f.number("count"), Cursor: f.pos("cursor"), Platform: f.text("platform"),
			LoginAt: f.pos("login_at"), SessionTime: s.sessionTime(string(e.Session), f.has("login")),
			Limits: &schemas.Limits{Window: uint32(f.number("window")), MaxFrame: uint32(f.number("frame"))},
		}
	case schemas.Kind_KIND_DISCONNECTED:
		e.Disconnected = &schemas.Disconnected{Reason: f.reason(), Cursor: f.pos("cursor"), Received: f.pos("received")}
	case schemas.Kind_KIND_SENT:
		e.Sent = &schemas.Sent{Position: f.pos("pos"), Attempt: uint32(f.number("attempt")), Dispatched: s.Now}
	case schemas.Kind_KIND_BOUNCED:
		e.Bounced = &schemas.Bounced{Position: f.pos("pos"), Attempt: uint32(f.number("attempt"))}
	case schemas.Kind_KIND_ACKED:
		e.Acked = &schemas.Acked{Cursor: f.pos("cursor"), Received: f.pos("received")}
	case schemas.Kind_KIND_OPENED:
		e.Opened = &schemas.Opened{Position: f.pos("pos")}
	case schemas.Kind_KIND_IDENTIFIED:
		e.Identified = &schemas.Identified{Session: e.Session}
	case schemas.Kind_KIND_STARTED, schemas.Kind_KIND_ALIVE:
		e.Gate, e.Incarnation = uint32(f.number("gate")), f.number("incarnation")
	}
}

// sessionTime is that of the session's first login.
func (s *Script) sessionTime(session string, login bool) int64 {
	if _, known := s.began[session]; login && !known {
		if s.began == nil {
			s.began = make(map[string]int64)
		}
		s.began[session] = s.Now
	}
	return s.began[session]
}

// decision fills in what delivery decided.
func (s *Script) decision(e *schemas.Event, f *fields) {
	switch e.Kind {
	case schemas.Kind_KIND_CLAIMED:
		e.Claimed = &schemas.Claimed{Worker: f.id("worker")}
	case schemas.Kind_KIND_RELEASED:
		e.Released = &schemas.Released{Position: f.pos("pos")}
	case schemas.Kind_KIND_KICKED:
		e.Kicked = &schemas.Kicked{Session: e.Session, Reason: f.reason()}
	case schemas.Kind_KIND_SESSION_ENDED:
		e.SessionEnded = &schemas.SessionEnded{Session: e.Session, Reason: f.reason()}
	case schemas.Kind_KIND_ROUTE_ENDED:
		e.RouteEnded = &schemas.RouteEnded{Reason: f.reason()}
	case schemas.Kind_KIND_UNREACHED:
		e.Unreached = &schemas.Unreached{Position: f.pos("pos")}
	case schemas.Kind_KIND_OUTCOME:
		class := schemas.Class(schemas.Class_value["CLASS_"+strings.ToUpper(f.text("class"))])
		e.Outcome = &schemas.Outcome{Position: f.pos("pos"), Class: class, Reason: f.reason(), Whole: f.has("whole")}
	}
}

// fields are the words of a line. The first error is kept.
type fields struct {
	values map[string]string
	used   map[string]bool
	err    error
}

func (f *fields) text(name string) string {
	f.used[name] = true
	return f.values[name]
}

func (f *fields) has(name string) bool {
	f.used[name] = true
	_, ok := f.values[name]
	return ok
}

func (f *fields) fail(name string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("field %s: %w", name, err)
	}
}

func (f *fields) id(name string) []byte {
	if !f.has(name) {
		return nil
	}
	id := ID(f.values[name])
	return id[:]
}

func (f *fields) number(name string) uint64 {
	if !f.has(name) {
		return 0
	}
	n, err := strconv.ParseUint(f.values[name], 10, 64)
	f.fail(name, err)
	return n
}

func (f *fields) span(name string) time.Duration {
	if !f.has(name) {
		return 0
	}
	d, err := time.ParseDuration(f.values[name])
	f.fail(name, err)
	return d
}

func (f *fields) pos(name string) uint64 {
	if v := f.text(name); v == "" || v == "none" {
		return 0
	}
	var epoch uint16
	var offset int64
	_, err := fmt.Sscanf(f.values[name], "%d.%d", &epoch, &offset)
	f.fail(name, err)
	return uint64(schemas.At(epoch, offset))
}

func (f *fields) conn(name string) (c schemas.ConnID) {
	if f.has(name) {
		_, err := fmt.Sscanf(f.values[name], "g%d.%d.%d", &c.Gate, &c.Incarnation, &c.Number)
		f.fail(name, err)
	}
	return c
}

func (f *fields) reason() schemas.Reason {
	if !f.has("reason") {
		return 0
	}
	r, ok := schemas.ReasonOf(f.values["reason"])
	if !ok {
		f.fail("reason", fmt.Errorf("there is no %q", f.values["reason"]))
	}
	return r
}

// done says what was wrong: also words that mean nothing here.
func (f *fields) done() error {
	for name := range f.values {
		if !f.used[name] {
			f.fail(name, fmt.Errorf("means nothing in this event"))
		}
	}
	return f.err
}

// ID of up to 16 letters.
func ID(letters string) (id schemas.ID) {
	copy(id[:], letters)
	return id
}

// Letters of an id.
func Letters(id schemas.ID) string { return strings.TrimRight(string(id[:]), "\x00") }
