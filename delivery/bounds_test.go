package delivery

import (
	"testing"
	"time"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// bench is a core that has claimed, with a gate and ann's phone on it.
type bench struct {
	t    *testing.T
	core *Core
	pos  schemas.Position
	now  int64
	conn schemas.ConnID
}

func newBench(t *testing.T, set Settings) *bench {
	b := &bench{t: t, core: NewCore(set, schemas.ID{1}, mailbox.New(), 0), now: 1_000_000_000, conn: schemas.ConnID{Gate: 1, Incarnation: 1, Number: 1}}
	b.core.ApplyGate(1, b.now, &schemas.Event{Kind: schemas.Kind_KIND_STARTED, Gate: 1, Started: &schemas.Started{Lease: 3_600_000}})
	self := schemas.ID{1}
	b.apply(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: self[:]}})
	return b
}

// apply appends an event a millisecond later, and then what the core decides.
func (b *bench) apply(e *schemas.Event) schemas.Position {
	b.pos++
	at := b.pos
	b.now += 1000
	if e.Kind != schemas.Kind_KIND_CLAIMED && e.User == "" {
		e.App, e.User = "a", "ann"
	}
	b.core.Apply(at, b.now, e)
	decisions, _ := b.core.Take()
	for _, d := range decisions {
		b.apply(d)
	}
	return at
}

func (b *bench) connect() {
	e := &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, Device: "phone", Session: make([]byte, 16)}
	e.Session[0] = 1
	e.SetConn(b.conn)
	e.Connected = &schemas.Connected{Login: true, Count: 1}
	b.apply(e)
}

func (b *bench) push(id byte, name string) schemas.Position {
	push := schemas.ID{14: id, 15: byte(b.pos)}
	if name != "" {
		push = schemas.NamedID("a", "ann", name)
	}
	return b.apply(&schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: push[:], Name: name, Ttl: 86_400_000}})
}

func (b *bench) sent(pos schemas.Position) {
	e := &schemas.Event{Kind: schemas.Kind_KIND_SENT, Device: "phone", Sent: &schemas.Sent{Position: uint64(pos), Attempt: 1}}
	e.SetConn(b.conn)
	b.apply(e)
}

func (b *bench) acked(pos schemas.Position) {
	e := &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Device: "phone", Acked: &schemas.Acked{Cursor: uint64(pos)}}
	e.SetConn(b.conn)
	b.apply(e)
}

// TestTimersAreBoundedByUsers: a push that has ended leaves no timer behind
// until its ttl.
func TestTimersAreBoundedByUsers(t *testing.T) {
	b := newBench(t, Defaults())
	b.connect()
	for range 200 {
		pos := b.push(1, "")
		b.sent(pos)
		b.acked(pos)
		b.now += (20 * time.Second).Microseconds() // the ack timer's entry comes up
		b.core.Advance(b.now)
	}
	if n, open := len(b.core.timers), len(b.core.state.Users["a/ann"].Pushes); n > 1 || open != 0 {
		t.Errorf("%d timers and %d open pushes of one user, want at most 1 and none", n, open)
	}
}

// TestRepetitionsFillNoMailbox: what ends as a duplicate is not owed to anybody.
func TestRepetitionsFillNoMailbox(t *testing.T) {
	set := Defaults()
	set.Mailbox = 5
	b := newBench(t, set)
	first := b.push(0, "order-1")
	b.core.active = false // it lags: what follows is read before anything is decided
	for range 20 {
		b.push(0, "order-1")
	}
	b.core.active = true
	last := b.push(0, "order-2")
	u := b.core.state.Users["a/ann"]
	for _, pos := range []schemas.Position{first, last} {
		if p := u.Push(pos); p == nil || p.End != 0 {
			t.Errorf("the push at %v has ended, though two are open of five", pos)
		}
	}
}

// TestGraceAfterAnOutage: who acknowledged while the log was away is given the
// time to have it logged.
func TestGraceAfterAnOutage(t *testing.T) {
	set := Defaults()
	b := newBench(t, set)
	b.connect()
	b.sent(b.push(1, ""))
	late := b.now + set.AckTimer.Microseconds() + 2_000_000
	b.core.Grace(late)
	b.core.Advance(late)
	b.core.Prove(late)
	if _, commands := b.core.Take(); len(commands) != 0 {
		t.Fatalf("at once after the outage: %v", commands)
	}
	b.core.Advance(late + set.AckTimer.Microseconds() + 1)
	b.core.Prove(late + set.AckTimer.Microseconds() + 1)
	_, commands := b.core.Take()
	if len(commands) != 1 || commands[0].Reason != schemas.Reason_REASON_ACK_TIMEOUT {
		t.Errorf("an ack timer after it: %v, want one close", commands)
	}
}

// TestGraceAfterAStop: of a gate that was stopped and woke, the devices'
// acknowledgements are on their way; so they are after a takeover.
func TestGraceAfterAStop(t *testing.T) {
	set := Defaults()
	for name, wake := range map[string]func(*bench){
		"gate": func(b *bench) {
			b.core.ApplyGate(2, b.now, &schemas.Event{Kind: schemas.Kind_KIND_ALIVE, Gate: 1, Incarnation: 1, Alive: &schemas.Alive{Lease: 10_000}})
		},
		"worker": func(b *bench) {
			self := schemas.ID{1}
			b.apply(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: self[:]}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, set)
			b.connect()
			b.core.gates.gates[1].lease = set.Lease.Microseconds()
			b.sent(b.push(1, ""))
			b.now += (30 * time.Second).Microseconds()
			wake(b)
			closes := func() int {
				b.core.Advance(b.now)
				b.core.Prove(b.now)
				return b.closes()
			}
			b.now += set.AckTimer.Microseconds() / 2
			if n := closes(); n != 0 {
				t.Errorf("half an ack timer after it: %d closes, want none", n)
			}
			b.now += set.AckTimer.Microseconds()
			if n := closes(); n != 1 {
				t.Errorf("an ack timer after it: %d closes, want one", n)
			}
		})
	}
}

// TestStoppedGateLapses: of a gate that was drained long ago only its stopped
// is left in the compacted topic.
func TestStoppedGateLapses(t *testing.T) {
	g := newGates(Defaults())
	conn := schemas.ConnID{Gate: 7, Incarnation: 3, Number: 1}
	at := int64(1_000_000_000)
	g.Apply(9, at, &schemas.Event{Kind: schemas.Kind_KIND_STOPPED, Gate: 7, Incarnation: 3})
	for range 60 {
		at += (3 * time.Second).Microseconds()
		g.Apply(10, at, &schemas.Event{Kind: schemas.Kind_KIND_TICK})
	}
	if g.Usable(conn) || !g.Silent(conn) {
		t.Errorf("after three minutes: usable %t, silent %t", g.Usable(conn), g.Silent(conn))
	}
}

// TestNowOrNeverAtTheEdgeOfAMillisecond: a push that is appended in the
// millisecond of the newest tick is not late.
func TestNowOrNeverAtTheEdgeOfAMillisecond(t *testing.T) {
	const tick = 1_700_000_000_123_900
	if at, appended := inMillis(tick), int64(1_700_000_000_123_000); at >= appended {
		t.Errorf("judged as of %d, though the record of %d may still come", at, appended)
	}
}

// TestExpiredPushLeftBehind: a push whose time is over and whose connection is
// gone keeps the device, which came back without it, from nothing.
func TestExpiredPushLeftBehind(t *testing.T) {
	b := newBench(t, Defaults())
	b.connect()
	id := schemas.ID{1}
	now := b.apply(&schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: id[:]}}) // now or never
	b.sent(now)
	b.now += 500_000
	later := b.push(2, "")
	b.conn.Number++
	var told []schemas.Position
	e := &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, App: "a", User: "ann", Device: "phone", Session: make([]byte, 16),
		Connected: &schemas.Connected{Count: 2}}
	e.Session[0] = 1
	e.SetConn(b.conn)
	b.pos++
	b.now += 1000
	b.core.Apply(b.pos, b.now, e)
	for range 3 { // until what was decided has been read back
		decisions, commands := b.core.Take()
		for _, m := range commands {
			told = append(told, schemas.Position(m.Position))
		}
		for _, d := range decisions {
			b.pos++
			b.core.Apply(b.pos, b.now, d)
		}
	}
	if len(told) < 2 || told[len(told)-2] != later {
		t.Errorf("half a second later the device is told %v, want %v and its resumed", told, later)
	}
}
