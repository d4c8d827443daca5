// Package mailboxtest makes random logs for tests of whoever folds, and shows
// two states in a form that can be compared.
package mailboxtest

import (
	"fmt"
	"math/rand/v2"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Log writes a random log of one partition, event by event: several users of
// two apps with several devices, every kind of event, mostly such as could have
// happened, sometimes not. Equal seeds give equal logs.
type Log struct {
	Users int  // default 4
	Holes bool // between offsets, as repeats and control records leave them
	// Crowded users have very many devices, and months pass.
	Crowded bool
	Facts   bool // no decisions and no claims: Add brings those

	r      *rand.Rand
	state  *mailbox.State // what has been written so far: most events refer to it
	offset int64
	now    int64
	conns  uint64
}

// Entry is one record.
type Entry struct {
	Offset   int64
	Position schemas.Position
	Time     int64 // broker time
	Event    *schemas.Event
}

// NewLog begins a log.
func NewLog(seed uint64) *Log {
	return &Log{Users: 4, r: rand.New(rand.NewPCG(seed, 1)), state: mailbox.New(), now: 1_700_000_000_000_000}
}

// Next writes one event.
func (l *Log) Next() Entry {
	l.now += int64(l.r.IntN(2_000_000))
	if l.one(100) {
		l.now += 7 * 3600 * 1e6
		if l.Crowded {
			l.now += 16 * 24 * 3600 * 1e6
		}
	}
	return l.place(l.event())
}

// Add writes an event that somebody else made, a millisecond after the one before.
func (l *Log) Add(e *schemas.Event) Entry {
	l.now += 1000
	return l.place(e)
}

func (l *Log) place(e *schemas.Event) Entry {
	entry := Entry{Offset: l.offset, Position: schemas.At(0, l.offset), Time: l.now, Event: e}
	l.state.Apply(entry.Position, entry.Time, e)
	l.offset++
	if l.Holes {
		l.offset += int64(l.r.IntN(2))
	}
	return entry
}

// Take writes n events.
func (l *Log) Take(n int) []Entry {
	all := make([]Entry, n)
	for i := range all {
		all[i] = l.Next()
	}
	return all
}

// one is true once in n times.
func (l *Log) one(n int) bool { return l.r.IntN(n) == 0 }

func (l *Log) event() *schemas.Event {
	u := l.user()
	e := &schemas.Event{App: u.App, User: u.Name, Time: l.now + int64(l.r.IntN(1000)) - 500, Term: uint64(l.state.Term)}
	if l.Facts {
		facts := []func(*mailbox.User, *schemas.Event){
			l.pushed, l.pushed, l.connected, l.disconnected, l.sent, l.acked, l.acked, l.opened, l.bounced, l.cancelAsked,
		}
		facts[l.r.IntN(len(facts))](u, e)
		return e
	}
	if l.one(20) {
		e.Term = uint64(l.r.IntN(1000)) // of a worker that was overtaken
	}
	kinds := []func(*mailbox.User, *schemas.Event){
		l.pushed, l.pushed, l.pushed, l.connected, l.connected, l.disconnected, l.sent, l.sent, l.acked, l.acked, l.acked,
		l.outcome, l.outcome, l.outcome, l.opened, l.bounced, l.cancelAsked, l.released, l.ended, l.routeEnded, l.unreached, l.identified, l.other,
	}
	if l.Crowded && !l.one(3) {
		kinds = []func(*mailbox.User, *schemas.Event){l.connected, l.connected, l.ended, l.ended, l.ended}
	}
	kinds[l.r.IntN(len(kinds))](u, e)
	return e
}

var names = []string{"ann", "bob", "cem", "d/ora", `back\slash`, "nul\x00", "broken\xff", "ünal"}

// user picks one; its state is empty before its first event.
func (l *Log) user() *mailbox.User {
	n := l.r.IntN(l.Users)
	app, name := "freight", names[n%len(names)]
	if n >= len(names) {
		name = fmt.Sprintf("u%d", n)
	}
	if n%3 == 2 {
		app = "taxi"
	}
	if u := l.state.Users[string(schemas.Key(app, name))]; u != nil {
		return u
	}
	return &mailbox.User{App: app, Name: name}
}

func (l *Log) id(space int) schemas.ID {
	return schemas.NamedID("", "", fmt.Sprint(l.r.IntN(space)))
}

// device picks one of the user's devices, or a new name.
func (l *Log) device(u *mailbox.User) *mailbox.Device {
	if l.Crowded && l.one(2) {
		return &mailbox.Device{Name: fmt.Sprintf("phone %d", l.r.IntN(2000))}
	}
	if len(u.Devices) > 0 && !l.one(5) {
		return &u.Devices[l.r.IntN(len(u.Devices))]
	}
	return &mailbox.Device{Name: fmt.Sprintf("phone %d", l.r.IntN(3))}
}

// about names the device and, mostly, its connection.
func (l *Log) about(u *mailbox.User, e *schemas.Event) *mailbox.Device {
	d := l.device(u)
	e.Device, e.Session = d.Name, d.Session[:]
	conn := d.Conn
	if len(u.Closing) > 0 && l.one(3) {
		conn = u.Closing[l.r.IntN(len(u.Closing))].Conn
	}
	if conn.IsZero() || l.one(10) {
		conn = schemas.ConnID{Gate: 1 + uint32(l.r.IntN(2)), Incarnation: 1, Number: uint64(l.r.IntN(50))}
	}
	e.SetConn(conn)
	return d
}

// position is that of a push, mostly one that is there.
func (l *Log) position(u *mailbox.User) schemas.Position {
	switch {
	case l.one(30):
		return schemas.At(uint16(l.r.IntN(2)), l.offset+5)
	case len(u.Pushes) == 0 || l.one(10):
		return schemas.Position(l.r.Int64N(l.offset + 1))
	}
	return u.Pushes[l.r.IntN(len(u.Pushes))].Pos
}
