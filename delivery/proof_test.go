package delivery

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

const cmdClose = schemas.CommandKind_COMMAND_KIND_CLOSE

// TestAckTimerInDoubt: one that has run out closes nobody before it is proved
// that the log took acknowledgements after it; one that comes ends the doubt.
func TestAckTimerInDoubt(t *testing.T) {
	for name, c := range map[string]struct {
		then   func(b *bench, pos schemas.Position)
		closes int
		key    string // in doubt after that
	}{
		"nothing":       {func(*bench, schemas.Position) {}, 0, "a/ann"},
		"too old":       {func(b *bench, _ schemas.Position) { b.core.Prove(b.now - 60_000_000) }, 0, "a/ann"},
		"proved":        {func(b *bench, _ schemas.Position) { b.core.Prove(b.now) }, 1, ""},
		"acknowledged":  {func(b *bench, pos schemas.Position) { b.acked(pos) }, 0, ""},
		"log was away":  {func(b *bench, _ schemas.Position) { b.core.Grace(b.now) }, 0, ""},
		"other records": {func(b *bench, _ schemas.Position) { b.push(2, "") }, 0, "a/ann"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Defaults())
			b.connect()
			pos := b.push(1, "")
			b.sent(pos)
			b.now += (time.Minute).Microseconds()
			b.core.Advance(b.now)
			b.core.Take()
			c.then(b, pos)
			if n := b.closes(); n != c.closes {
				t.Errorf("%d closes, want %d", n, c.closes)
			}
			if key := b.core.InDoubt(); key != c.key {
				t.Errorf("in doubt is %q, want %q", key, c.key)
			}
		})
	}
}

// TestGraceEndsDoubt: the timer runs again, and is not forgotten.
func TestGraceEndsDoubt(t *testing.T) {
	b := newBench(t, Defaults())
	b.connect()
	b.sent(b.push(1, ""))
	for range 2 {
		b.now += (time.Minute).Microseconds()
		b.core.Advance(b.now)
		b.core.Take()
		if b.core.InDoubt() == "" {
			t.Fatal("a minute later nothing is in doubt")
		}
		b.core.Grace(b.now)
	}
	b.now += (time.Minute).Microseconds()
	b.core.Advance(b.now)
	b.core.Take()
	b.core.Prove(b.now)
	if n := b.closes(); n != 1 {
		t.Errorf("%d closes, want one", n)
	}
}

func (b *bench) closes() (n int) {
	_, commands := b.core.Take()
	for _, m := range commands {
		if m.Reason == schemas.Reason_REASON_ACK_TIMEOUT {
			n++
		}
	}
	return n
}

// heard hands out the messages that a worker logs.
type heard chan string

func (h heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h heard) WithGroup(string) slog.Handler            { return h }

// Handle is slog.Handler's.
func (h heard) Handle(_ context.Context, r slog.Record) error {
	select {
	case h <- r.Message:
	default: // nobody listens any more
	}
	return nil
}

func (h heard) await(t *testing.T, part string) {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case m := <-h:
			if strings.Contains(m, part) {
				return
			}
		case <-late:
			t.Fatalf("the worker never says %q", part)
		}
	}
}

// TestStuckLogClosesNobody: the partition says where it ends and takes nothing,
// as one does whose leader waits for a replica that died. Whose acknowledgement
// was stuck stays; who is silent when it takes writes again is closed then.
func TestStuckLogClosesNobody(t *testing.T) {
	set := Defaults()
	set.AckTimer = time.Second
	w, said := newWorld(t), make(heard, 1000)
	gate := w.gate(1)
	ann, bob := w.connect("ann", 1, gate), w.connect("bob", 1, gate)
	w.workerWith(Config{Settings: set, Logger: slog.New(said), Load: func(context.Context, string, int32) (*snapshot.Snapshot, error) { return empty() }})
	w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	pos := w.push("ann")
	w.sent("ann", ann, pos)
	w.sent("bob", bob, w.push("bob"))
	w.push("bob")
	for range 3 {
		w.awaitCommand(1, cmdPush)
	}
	// It has read all there is: what is held is held from readers too, and no ack
	// timer is judged before the log's end has been read.
	w.faults.Hold(eventlog.EventsTopic, 0)
	said.await(t, "ack timers wait")
	w.acked("ann", ann, pos)
	w.faults.Clear()
	said.await(t, "took no writes")
	if m := w.awaitCommand(1, cmdClose); m.Conn() != bob || m.Reason != schemas.Reason_REASON_ACK_TIMEOUT {
		t.Errorf("the first close is %v, want bob's for its ack timer", m)
	}
	if tick := w.awaitEvent(schemas.Kind_KIND_TICK).Event; tick.User != "" || tick.Term == 0 {
		t.Errorf("the tick is %v, want one of a term and of nobody", tick)
	}
}

// TestRefusedTickIsNoProof: nor is one that the partition refuses, and nobody is
// closed as long as it does.
func TestRefusedTickIsNoProof(t *testing.T) {
	set := Defaults()
	set.AckTimer = time.Second
	b := newBench(t, set)
	b.connect()
	b.sent(b.push(1, ""))
	o := &owner{w: &Worker{}, core: b.core, log: slog.New(slog.DiscardHandler), proof: proof{ends: make(chan tickEnd, 1)}}
	to := &refusing{err: eventlog.ErrBusy}
	o.out = newOutbox(o.log, to, to)
	for range 5 {
		b.now += (3 * time.Second).Microseconds()
		o.clock.observe(b.now)
		b.core.Advance(b.now)
		b.core.Take()
		o.prove()
		if n := b.closes(); n != 0 {
			t.Fatalf("%d closes", n)
		}
	}
	if to.asked != 5 {
		t.Errorf("%d ticks, want 5", to.asked)
	}
}

type refusing struct {
	err   error
	asked int
}

func (r *refusing) Append(eventlog.Record, func(eventlog.Appended, error)) error {
	r.asked++
	return r.err
}

// TestTwoTicksProve: the first does not, nor does a second one that was slow.
func TestTwoTicksProve(t *testing.T) {
	for name, c := range map[string]struct {
		second time.Duration
		closes int
	}{"in time": {50 * time.Millisecond, 1}, "slow": {answersWithin + time.Millisecond, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, Defaults())
				b.connect()
				b.sent(b.push(1, ""))
				b.now += (time.Minute).Microseconds()
				b.core.Advance(b.now)
				b.core.Take()
				to := &landing{}
				o := &owner{w: &Worker{}, core: b.core, log: slog.New(slog.DiscardHandler), proof: proof{ends: make(chan tickEnd, 1)}, out: newOutbox(slog.New(slog.DiscardHandler), to, to)}
				o.clock.observe(b.now)
				o.ticked(t, to, 50*time.Millisecond)
				if n := b.closes(); n != 0 {
					t.Errorf("after one tick: %d closes", n)
				}
				time.Sleep(settle)
				o.ticked(t, to, c.second)
				if n := b.closes(); n != c.closes {
					t.Errorf("after two ticks: %d closes, want %d", n, c.closes)
				}
			})
		})
	}
}

// landing keeps what tells that a record was appended.
type landing struct {
	done func(eventlog.Appended, error)
}

// Append is appender's.
func (l *landing) Append(_ eventlog.Record, done func(eventlog.Appended, error)) error {
	l.done = done
	return nil
}

// ticked has the owner append a tick, which lands after a while and is read.
func (o *owner) ticked(t *testing.T, to *landing, took time.Duration) {
	t.Helper()
	o.prove()
	if !o.proof.flying {
		t.Fatal("no tick is under way")
	}
	time.Sleep(took)
	to.done(eventlog.Appended{Position: schemas.At(0, o.next)}, nil)
	o.tickEnded(<-o.proof.ends)
	o.prove() // it is not read
	o.next++
	o.prove()
}

// TestAwayLogIsLeftAlone: a log that says at once that it is away is not asked
// again before the next tick of the clock.
func TestAwayLogIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Defaults())
		b.connect()
		b.sent(b.push(1, ""))
		o := &owner{core: b.core, wall: &barrier{err: errors.New("no leader")}, asked: true}
		o.clock.observe(b.now + (time.Minute).Microseconds())
		if !b.core.Deadline(o.clock.now()) {
			t.Fatal("no timer is due")
		}
		o.reach()
		if o.checkTimers(t.Context()); o.asked {
			t.Error("it is asked again at once")
		}
		if time.Sleep(idle); time.Now().Before(o.pause) {
			t.Errorf("it is left alone for longer than %v", idle)
		}
	})
}
