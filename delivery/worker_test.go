package delivery

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

const (
	cmdPush    = schemas.CommandKind_COMMAND_KIND_PUSH
	cmdResumed = schemas.CommandKind_COMMAND_KIND_RESUMED
)

var errNoDatabase = errors.New("the database is away")

// TestWorkerDelivers: claimed, then the connection's resumed, the push and,
// once it is acknowledged, its outcome under the claim's term.
func TestWorkerDelivers(t *testing.T) {
	w := newWorld(t)
	conn := w.connect("ann", 1, w.gate(1))
	w.worker(empty)
	claim := w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	if m := w.awaitCommand(1, cmdResumed); m.Conn() != conn {
		t.Errorf("resumed is for %v, want %v", m.Conn(), conn)
	}
	pos := w.push("ann")
	m := w.awaitCommand(1, cmdPush)
	if m.Position != uint64(pos) || m.Attempt != 1 || m.Node != "delivery-1@test" || m.Time == 0 || string(m.Body) != "hello" {
		t.Errorf("the command is %v, want the push at %v", m, pos)
	}
	w.acked("ann", conn, pos)
	o := w.awaitEvent(schemas.Kind_KIND_OUTCOME).Event
	if o.Outcome.Class != schemas.Class_CLASS_DELIVERED || !o.Outcome.Whole || o.Term != uint64(claim.Position) {
		t.Errorf("the outcome is %v under term %d, want delivered under %d", o.Outcome, o.Term, claim.Position)
	}
}

// TestWorkerTimesOut: a push whose time is over ends although nothing is read
// any more: the worker asks for the log's end and judges.
func TestWorkerTimesOut(t *testing.T) {
	w := newWorld(t)
	w.worker(empty)
	w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	e := w.event(schemas.Kind_KIND_PUSHED, "ann")
	id := schemas.NewID(time.Now())
	e.Device, e.Pushed = "", &schemas.Pushed{PushId: id[:], Family: 1, Ttl: 50}
	pos := w.add(eventlog.EventsTopic, schemas.Key("freight", "ann"), e)
	o := w.awaitEvent(schemas.Kind_KIND_OUTCOME).Event.Outcome
	if o.Position != uint64(pos) || o.Class != schemas.Class_CLASS_LOST || o.Reason != schemas.Reason_REASON_NEVER_CONNECTED {
		t.Errorf("the outcome is %v, want lost, never_connected", o)
	}
}

// TestWorkerWithoutSnapshotClaimsNothing: it tries again until it can read it.
func TestWorkerWithoutSnapshotClaimsNothing(t *testing.T) {
	w := newWorld(t)
	var tries atomic.Int32
	first, again := make(chan struct{}), make(chan struct{})
	w.worker(func() (*snapshot.Snapshot, error) {
		switch tries.Add(1) {
		case 1:
			close(first)
			return nil, errNoDatabase
		case 2:
			<-again
		}
		return empty()
	})
	<-first
	pos := w.push("ann") // stands before any claim
	close(again)
	if claim := w.awaitEvent(schemas.Kind_KIND_CLAIMED); claim.Position < pos {
		t.Errorf("claimed at %v, before it could read its snapshot", claim.Position)
	}
}

// TestWorkerRefusesASnapshotOfAnotherLog: one that is as of an offset that the
// log does not have.
func TestWorkerRefusesASnapshotOfAnotherLog(t *testing.T) {
	w := newWorld(t)
	var tries atomic.Int32
	w.push("ann")
	w.worker(func() (*snapshot.Snapshot, error) {
		if tries.Add(1) == 1 {
			return &snapshot.Snapshot{State: mailbox.New(), Serials: new(eventlog.Serials), Next: 1000}, nil
		}
		return empty()
	})
	w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	if n := tries.Load(); n < 2 {
		t.Errorf("claimed after %d snapshots, want the second one", n)
	}
}

// TestWorkersTakeOver: the second worker claims when the first has left, and
// says again what the first had said.
func TestWorkersTakeOver(t *testing.T) {
	w := newWorld(t)
	w.connect("ann", 1, w.gate(1))
	stop := w.worker(empty)
	one := w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	pos := w.push("ann")
	if m := w.awaitCommand(1, cmdPush); m.Again {
		t.Error("the first writing says that it is a repeat")
	}
	stop()
	w.worker(empty)
	two := w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	m := w.awaitCommand(1, cmdPush)
	if m.Position != uint64(pos) || !m.Again || m.Term != uint64(two.Position) || two.Position <= one.Position {
		t.Errorf("said again: %v, want the push at %v under term %v", m, pos, two.Position)
	}
}

// TestBusyGateHoldsUpNobodyElse: what one partition of waybill.dispatch does
// not take waits, in order, and the other gates' commands go on.
func TestBusyGateHoldsUpNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.connect("ann", 1, w.gate(1))
	w.connect("bob", 2, w.gate(2))
	w.worker(empty)
	w.awaitCommand(1, cmdResumed)
	w.awaitCommand(2, cmdResumed)
	w.faults.Fail(eventlog.DispatchTopic, 1, errors.New("away"))
	first, second := w.push("ann"), w.push("ann")
	pos := w.push("bob")
	if m := w.awaitCommand(2, cmdPush); m.Position != uint64(pos) {
		t.Errorf("bob's gate is told of %d, want %v", m.Position, pos)
	}
	w.faults.Clear()
	for _, want := range []schemas.Position{first, second} {
		if m := w.awaitCommand(1, cmdPush); m.Position != uint64(want) {
			t.Errorf("ann's gate is told of %d, want %v", m.Position, want)
		}
	}
}

// TestAwayGateFillsNothing: more than the queue for a gate holds is put out while
// its partition is away. The other gate's commands go on, and all that was not
// said comes when the partition is back, each write after the one before.
func TestAwayGateFillsNothing(t *testing.T) {
	const users, each = 6, 1000
	w := newWorld(t)
	one, two := w.gate(1), w.gate(2)
	for i := range users {
		w.connect(userName(i), 1, one)
	}
	w.connect("bob", 2, two)
	w.worker(empty)
	w.awaitCommand(2, cmdResumed)
	for range users {
		w.awaitCommand(1, cmdResumed)
	}
	w.faults.Fail(eventlog.DispatchTopic, 1, errors.New("away"))
	for n := range users * each {
		w.pushSoon(userName(n % users))
	}
	pos := w.push("bob")
	if m := w.awaitCommand(2, cmdPush); m.Position != uint64(pos) {
		t.Errorf("bob's gate is told of %d, want %v", m.Position, pos)
	}
	w.faults.Clear()
	last := make(map[string]uint64)
	for range users * each {
		m := w.awaitCommand(1, cmdPush)
		if before := last[m.User]; before > 0 && m.Previous != before {
			t.Fatalf("%s is told of %d after %d, and was told of %d", m.User, m.Position, m.Previous, before)
		}
		last[m.User] = m.Position
	}
}

func userName(i int) string { return "user-" + string(rune('a'+i)) }

// TestBrokerClock follows the broker from behind and forgets a guess that has
// drifted ahead.
func TestBrokerClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c brokerClock
		if now := c.now(); now != 0 {
			t.Errorf("before the first record it says %d", now)
		}
		const noon = 1_700_000_000_000_000
		c.observe(noon) // appended just now
		time.Sleep(time.Second)
		c.observe(noon + 400_000) // read 600 ms after it was appended: no news
		if now := c.now(); now != noon+1_000_000 {
			t.Errorf("a late record moved it by %d µs", now-noon-1_000_000)
		}
		for range 3 { // the broker's clock is a second behind by now
			time.Sleep(2 * time.Minute)
			c.observe(noon + time.Since(c.start).Microseconds() - 1_000_000)
		}
		if now, want := c.now(), int64(noon)+time.Since(c.start).Microseconds()-1_000_000; now != want {
			t.Errorf("it is %d µs ahead of a broker that it has followed for six minutes", now-want)
		}
	})
}

// TestGatesFeedRemembers: who comes late gets the newest of each gate and kind,
// in order, then everything.
func TestGatesFeedRemembers(t *testing.T) {
	f := newGatesFeed()
	add := func(pos schemas.Position, kind schemas.Kind, gate uint32) {
		f.add(gateRecord{pos, int64(pos), &schemas.Event{Kind: kind, Gate: gate}})
	}
	add(1, schemas.Kind_KIND_STARTED, 1)
	add(2, schemas.Kind_KIND_ALIVE, 1)
	add(3, schemas.Kind_KIND_TICK, 0)
	add(4, schemas.Kind_KIND_ALIVE, 1)
	v := f.subscribe()
	defer f.unsubscribe(v)
	add(5, schemas.Kind_KIND_STARTED, 2)
	<-v.signal
	var got []schemas.Position
	for _, r := range v.take() {
		got = append(got, r.pos)
	}
	if want := []schemas.Position{1, 3, 4, 5}; len(got) != len(want) || got[0] != 1 || got[1] != 3 || got[2] != 4 || got[3] != 5 {
		t.Errorf("it gets %v, want %v", got, want)
	}
}
