package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"waybill/internal/wire"
	"waybill/schemas"
)

// noon is when every harness begins.
var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

var secret = []byte("a secret that app freight shares with Waybill")

// fakeApps knows one app, freight, with two keys.
type fakeApps struct{ ed25519 []byte }

func (a fakeApps) TokenKey(app, kid string) (string, []byte, bool) {
	switch {
	case (app == "freight" || app == "kiosk") && kid == "k1":
		return algHS256, secret, true
	case app == "freight" && kid == "k2":
		return algEdDSA, a.ed25519, true
	}
	return "", nil, false
}

// Anonymous devices are let in by kiosk, which has the same key.
func (a fakeApps) Anonymous(app string) bool { return app == "kiosk" }

// token is good for an hour from now unless the claims say otherwise.
func token(t testing.TB, user, device string, expires time.Time) string {
	t.Helper()
	return sign(t, jwt.MapClaims{"app": "freight", "sub": user, "device": device, "exp": expires.Unix()})
}

// sign makes a token of the claims.
func sign(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	tok.Header["kid"] = "k1"
	s, err := tok.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var errAway = errors.New("the log is away")

// placed is a log that knows all its topics.
type placed struct{}

func (placed) Prepare(context.Context, ...string) error { return nil }

// fakeFacts keeps what is reported until the test says that the log has it.
type fakeFacts struct {
	placed
	away     bool
	position uint64
	say      func(string)
	pending  []func(schemas.Position, error)
}

func (f *fakeFacts) Report(e *schemas.Event, value []byte, urgent bool, done func(schemas.Position, error)) error {
	if f.away {
		f.say("refused " + describeEvent(e))
		return errAway
	}
	s := "fact " + describeEvent(e)
	if urgent {
		s += " urgent"
	}
	if value != nil {
		s += fmt.Sprintf(" value=%q", value)
	}
	f.say(s)
	if done != nil {
		f.pending = append(f.pending, done)
	}
	return nil
}

// finish tells the outcome of everything reported so far.
func (f *fakeFacts) finish(err error) {
	pending := f.pending
	f.pending = nil
	for _, done := range pending {
		f.position++
		done(schemas.Position(f.position), err)
	}
}

// fakeSocket notes what a connection does with it.
type fakeSocket struct {
	say      func(string)
	full     bool
	finished bool
	sent     []byte
}

func (s *fakeSocket) send(b []byte) error {
	if s.full {
		return errFull
	}
	s.sent = append(s.sent[:0], b...)
	for len(b) > 0 {
		h, payload, rest, err := wire.Next(b, 1<<20)
		if err != nil {
			s.say("bad frame: " + err.Error())
			return nil
		}
		s.say("< " + describeFrame(h, payload))
		b = rest
	}
	return nil
}

func (s *fakeSocket) finish() {
	if !s.finished {
		s.finished = true
		s.say("socket finished")
	}
}

func (s *fakeSocket) abort() {
	s.finished = true
	s.say("socket aborted")
}

func (s *fakeSocket) release() { s.say("socket released") }

// harness is one connection of a gate without sockets, log and clock.
type harness struct {
	t     testing.TB
	gate  *Gate
	facts *fakeFacts
	sock  *fakeSocket
	conn  *conn

	control *fakeControl
	now     time.Time
	out     strings.Builder
}

func newHarness(t testing.TB) *harness {
	h := &harness{t: t, now: noon}
	h.facts = &fakeFacts{say: h.say, position: 100}
	h.gate = newTestGate(t, h.facts)
	h.control = newFakeControl()
	h.gate.cfg.Control = h.control
	h.gate.now = func() time.Time { return h.now }
	h.gate.epoch = noon
	h.gate.incarnation.Store(7)
	h.gate.stop = func(err error) { h.say("stop " + err.Error()) }
	h.connect()
	return h
}

func newTestGate(t testing.TB, facts Facts) *Gate {
	t.Helper()
	g, err := New(Config{
		Number: 2, Listen: "127.0.0.1:0", Advertise: "gate.test:7000", Facts: facts, Apps: fakeApps{},
		ClusterKey: []byte("0123456789abcdef0123456789abcdef"),
	})
	if err != nil {
		t.Fatal(err)
	}
	known := new(place)
	known.ready.Store(true)
	g.places.apps.Store("freight", known)
	return g
}

// connect begins a connection; the one before is forgotten.
func (h *harness) connect() {
	h.sock = &fakeSocket{say: h.say}
	h.conn = h.gate.newConn(h.sock, netip.MustParseAddrPort("192.0.2.7:4711"))
}

func (h *harness) say(line string) {
	h.out.WriteString(line)
	h.out.WriteByte('\n')
}

// said is what happened since the last time.
func (h *harness) said() string {
	defer h.out.Reset()
	return h.out.String()
}

func (h *harness) wait(d time.Duration) {
	h.now = h.now.Add(d)
	h.gate.wheel.turn(h.gate.clock())
}

func hello(cursor, count uint64) *schemas.Hello {
	return &schemas.Hello{Install: []byte("install-of-phone"), Count: count, Cursor: cursor, Platform: "android"}
}

func describeFrame(h wire.Header, payload []byte) string {
	s := wire.Describe(h, payload)
	body := payload[min(h.PrefixSize(), len(payload)):]
	if body := describeBody(h, body); body != "" {
		s += " " + body
	}
	return s
}

func describeBody(h wire.Header, body []byte) string {
	switch {
	case h.Status != 0, h.Kind == wire.KindPush && h.Family == 0 && h.Command == wire.CmdError:
		var e schemas.Error
		mustDecode(e.UnmarshalVT(body))
		return fmt.Sprintf("{%s: %s%s}", e.Reason.Word(), e.Message, supported(&e))
	case h.Family != 0:
		return ""
	case h.Command == wire.CmdClose:
		var c schemas.Close
		mustDecode(c.UnmarshalVT(body))
		return fmt.Sprintf("{%s reconnect=%v after=%d}", c.Reason.Word(), c.Reconnect, c.After)
	case h.Command == wire.CmdResumed:
		var r schemas.Resumed
		mustDecode(r.UnmarshalVT(body))
		return fmt.Sprintf("{gap=%v adopt=%v}", r.Gap.GetReason().Word(), r.Gap.GetAdopt())
	case h.Command == wire.CmdLogin, h.Command == wire.CmdResume:
		var w schemas.Welcome
		mustDecode(w.UnmarshalVT(body))
		return fmt.Sprintf("{heartbeat=%d address=%s max_frame=%d window=%d zstd=%v}", w.Heartbeat, w.Address, w.Limits.MaxFrame, w.Limits.Window, w.Zstd)
	}
	return ""
}

func supported(e *schemas.Error) (s string) {
	if len(e.Versions) > 0 {
		s += fmt.Sprintf(" versions=%v", e.Versions)
	}
	if e.Flags != 0 {
		s += fmt.Sprintf(" flags=%#x", e.Flags)
	}
	if e.MaxFrame != 0 {
		s += fmt.Sprintf(" max_frame=%d", e.MaxFrame)
	}
	if e.RetryAfter != 0 {
		s += fmt.Sprintf(" retry_after=%d", e.RetryAfter)
	}
	return s
}

func mustDecode(err error) {
	if err != nil {
		panic(err)
	}
}

func describeEvent(e *schemas.Event) string {
	s := fmt.Sprintf("%s %s/%s/%s %v", e.Kind.Word(), e.App, e.User, e.Device, e.Conn())
	switch e.Kind {
	case schemas.Kind_KIND_CONNECTED:
		c := e.Connected
		s += fmt.Sprintf(" login=%v cursor=%d count=%d max_frame=%d window=%d from=%s", c.Login, c.Cursor, c.Count, c.Limits.MaxFrame, c.Limits.Window, c.Address)
	case schemas.Kind_KIND_DISCONNECTED:
		d, t := e.Disconnected, e.Disconnected.Traffic
		s += fmt.Sprintf(" %s cursor=%d received=%d in=%d out=%d swallowed=%d", d.Reason.Word(), d.Cursor, d.Received, t.FramesIn, t.FramesOut, t.Swallowed)
	case schemas.Kind_KIND_SENT:
		s += fmt.Sprintf(" position=%d attempt=%d dispatched=%d", e.Sent.Position, e.Sent.Attempt, e.Sent.Dispatched)
	case schemas.Kind_KIND_BOUNCED:
		s += fmt.Sprintf(" %s position=%d attempt=%d dispatched=%d", e.Bounced.Reason.Word(), e.Bounced.Position, e.Bounced.Attempt, e.Bounced.Dispatched)
	case schemas.Kind_KIND_ACKED:
		s += fmt.Sprintf(" cursor=%d received=%d", e.Acked.Cursor, e.Acked.Received)
	case schemas.Kind_KIND_OPENED:
		s += fmt.Sprintf(" position=%d", e.Opened.Position)
	case schemas.Kind_KIND_UPLINKED:
		u := e.Uplinked
		s += fmt.Sprintf(" %d/%d sequence=%d lowest=%d request=%v tries=%d size=%d", u.Family, u.Command, u.Sequence, u.Lowest, u.Request, u.Tries, u.Size)
	case schemas.Kind_KIND_IDENTIFIED:
		s += fmt.Sprintf(" session=%d bytes", len(e.Identified.Session))
	case schemas.Kind_KIND_REFUSED:
		s += fmt.Sprintf(" %s %s: %s", e.Refused.What, e.Refused.Reason.Word(), e.Refused.Detail)
	}
	return s
}
