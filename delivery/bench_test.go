package delivery

import (
	"fmt"
	"log/slog"
	"testing"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// line is a core with a log in front of it, which takes what is decided.
type line struct {
	core   *Core
	out    *outbox
	reuse  bool
	echoes []*echo
	pos    schemas.Position
	now    int64
	said   []schemas.Position // of the newest flush, by command
}

func newLine(b *testing.B) *line {
	l := &line{core: newCore(Defaults()), now: 1_700_000_000_000_000}
	l.out = newOutbox(slog.New(slog.DiscardHandler), taker{}, taker{})
	b.ReportAllocs()
	return l
}

// newCore knows gate 1.
func newCore(set Settings) *Core {
	c := NewCore(set, schemas.ID{1}, mailbox.New(), 0)
	c.ApplyGate(1, 1_700_000_000_000_000, &schemas.Event{Kind: schemas.Kind_KIND_STARTED, Gate: 1, Started: &schemas.Started{Lease: 3_600_000}})
	return c
}

func (l *line) claim() {
	self := schemas.ID{1}
	l.apply(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: self[:]}})
}

func (l *line) apply(e *schemas.Event) schemas.Position {
	l.pos++
	l.now += 10
	l.core.Apply(l.pos, l.now/1000*1000, e)
	return l.pos
}

// flush encodes what is put out and hands it over, as the owner does.
func (l *line) flush() []*schemas.Event {
	decisions, commands := l.core.Take()
	for _, e := range decisions {
		l.out.decide(e)
	}
	l.said = l.said[:0]
	for _, m := range commands {
		l.out.command(m)
		l.said = append(l.said, schemas.Position(m.Position))
	}
	back := make([]*schemas.Event, len(decisions))
	for i, e := range decisions {
		back[i] = l.readBack(i, e)
	}
	l.core.Recycle()
	return back
}

// readBack is the decision as it comes out of the log. In a line that is reused
// it is good until the next flush.
func (l *line) readBack(i int, e *schemas.Event) *schemas.Event {
	if i >= len(l.echoes) || !l.reuse {
		l.echoes = append(l.echoes[:min(i, len(l.echoes))], new(echo))
	}
	x := l.echoes[i]
	x.event = schemas.Event{Kind: e.Kind, App: e.App, User: e.User, Device: e.Device, Term: e.Term, Outcome: &x.outcome}
	o := e.Outcome
	x.outcome = schemas.Outcome{Position: o.Position, Class: o.Class, Reason: o.Reason, Whole: o.Whole}
	return &x.event
}

type echo struct {
	event   schemas.Event
	outcome schemas.Outcome
}

// taker takes everything.
type taker struct{}

func (taker) Append(eventlog.Record, func(eventlog.Appended, error)) error { return nil }

// from is an event of user i and its phone, on its one connection.
func from(i int, e *schemas.Event) *schemas.Event {
	e.App, e.User, e.Device = "freight", fmt.Sprintf("driver-%04d", i), "phone"
	e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(i + 1)})
	e.Time = 1
	return e
}

func connected(i int) *schemas.Event {
	session := schemas.ID{0: 1, 14: byte(i >> 8), 15: byte(i)}
	return from(i, &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, Session: session[:], Connected: &schemas.Connected{Login: true, Count: 1, Platform: "android"}})
}

func pushed(i, n int) *schemas.Event {
	id, trace := schemas.ID{0: 2, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}, schemas.ID{1}
	e := from(i, &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, TraceId: trace[:]})
	e.Device = ""
	e.SetConn(schemas.ConnID{})
	e.Pushed = &schemas.Pushed{PushId: id[:], Family: 7, Body: make([]byte, 200), Ttl: 86_400_000, Label: "offer"}
	return e
}

// BenchmarkPush is the push path of a partition: 1,000 users with a phone each,
// 100 pushes in flight, four events for each. One operation is one push.
func BenchmarkPush(b *testing.B) {
	const users, flying = 1000, 100
	l := newLine(b)
	l.reuse = true
	l.claim()
	for i := range users {
		l.apply(connected(i))
		l.apply(from(i, &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{Cursor: uint64(l.pos)}}))
	}
	l.flush()
	var pushes, sents, ackeds [users]*schemas.Event
	for i := range users {
		pushes[i] = pushed(i, i)
		sents[i] = from(i, &schemas.Event{Kind: schemas.Kind_KIND_SENT, Sent: &schemas.Sent{Attempt: 1, Dispatched: 2}})
		ackeds[i] = from(i, &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{}})
	}
	b.ResetTimer()
	for n := 0; n < b.N; n += flying {
		at := n % users
		for i := at; i < at+flying; i++ {
			p := uint64(l.apply(pushes[i]))
			sents[i].Sent.Position, ackeds[i].Acked.Cursor = p, p
		}
		l.flush()
		for i := at; i < at+flying; i++ {
			l.apply(sents[i])
			l.apply(ackeds[i])
		}
		for _, e := range l.flush() {
			l.apply(e)
		}
		l.flush()
	}
	b.StopTimer()
	for _, u := range l.core.State().Users {
		if len(u.Pushes) > 0 {
			b.Fatalf("%s has %d open pushes", u.Name, len(u.Pushes))
		}
	}
}

// BenchmarkWaiting is a takeover with n pushes of one user who is away: most
// are too many for the mailbox and end. One operation is all of it.
func BenchmarkWaiting(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 40_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				l := newLine(b)
				for i := range n {
					l.apply(pushed(1, i))
				}
				l.claim()
				l.drain()
				if open := len(l.core.State().Users["freight/driver-0001"].Pushes); open != min(n, Defaults().Mailbox) {
					b.Fatalf("%d pushes are open", open)
				}
			}
		})
	}
}

// drain reads back what is decided until nothing is, at most flushEvery
// records between two flushes.
func (l *line) drain() {
	queue := l.flush()
	for len(queue) > 0 {
		n := min(len(queue), flushEvery)
		for _, e := range queue[:n] {
			l.apply(e)
		}
		queue = append(queue[n:], l.flush()...)
	}
}

// BenchmarkBacklog is a phone that comes back to n pushes that wait for it and
// takes them one after the other, from a worker that is never behind. One
// operation is all of it.
func BenchmarkBacklog(b *testing.B) {
	for _, n := range []int{100, 1_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for range b.N {
				l := newLine(b)
				l.claim()
				for i := range n {
					l.apply(pushed(1, i))
				}
				l.flush()
				l.apply(connected(1))
				l.comeHome(n)
			}
		})
	}
}

// comeHome lets the phone take n pushes; each record is a batch.
func (l *line) comeHome(n int) {
	var told []schemas.Position
	read := func(e *schemas.Event) {
		queue := []*schemas.Event{e}
		for len(queue) > 0 {
			l.apply(queue[0])
			queue = append(queue[1:], l.flush()...)
			told = append(told, l.said...)
		}
	}
	for l.flush(); n > 0; n-- {
		if len(told) == 0 {
			told = append(told, l.said...)
		}
		p := uint64(told[0])
		told = told[1:]
		read(from(1, &schemas.Event{Kind: schemas.Kind_KIND_SENT, Sent: &schemas.Sent{Position: p, Attempt: 1}}))
		read(from(1, &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{Cursor: p}}))
	}
}
