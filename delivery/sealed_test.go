package delivery

import (
	"context"
	"slices"
	"testing"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// epochs are the snapshots of a log that grows: those of the next epoch are
// there when the channel is closed.
type epochs struct {
	first   func() *snapshot.Snapshot
	carried chan struct{}
	looked  chan struct{} // one place: somebody has looked for the next one in vain
}

func (e *epochs) load(_ context.Context, topic string, _ int32) (*snapshot.Snapshot, error) {
	if eventlog.Epoch(topic) == 0 {
		return e.first(), nil
	}
	s, _ := empty()
	select {
	case <-e.carried:
		s.Found = true
	default:
		select {
		case e.looked <- struct{}{}:
		default:
		}
	}
	return s, nil
}

// seal ends the partition of the first epoch; the next one has a topic.
func (w *world) seal() schemas.Position {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	value, err := (&schemas.Event{Kind: schemas.Kind_KIND_SEALED, Sealed: &schemas.Sealed{Epoch: 1, Partitions: 1}}).MarshalVT()
	if err != nil {
		w.t.Fatal(err)
	}
	at, err := w.appender.AppendWait(ctx, eventlog.Record{Topic: eventlog.EventsTopic, Partition: 0, Value: value})
	if err != nil {
		w.t.Fatal(err)
	}
	return at.Position
}

// next makes the topic of the next epoch and reads it.
func (w *world) next() <-chan eventlog.Entry {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.log.CreateTopics(ctx, []eventlog.TopicSpec{eventlog.EventsSpec(1, 1, 1)}); err != nil {
		w.t.Fatal(err)
	}
	return w.follow(eventlog.EventsOf(1), 0)
}

// TestBehindASeal: what stands there goes on in the next epoch, once, however
// many workers find it; decisions do not. A worker of the next epoch claims when
// its rows are there.
func TestBehindASeal(t *testing.T) {
	w := newWorld(t)
	next := w.next()
	rows := &epochs{
		first:   func() *snapshot.Snapshot { s, _ := empty(); return s },
		carried: make(chan struct{}), looked: make(chan struct{}, 1),
	}
	stop := w.workerWith(Config{Settings: Defaults(), Load: rows.load})
	w.awaitEvent(schemas.Kind_KIND_CLAIMED)
	sealed := w.seal()
	behind := []schemas.Position{w.push("ann"), w.push("ben")}
	w.add(eventlog.EventsTopic, schemas.Key("freight", "ann"), &schemas.Event{
		Kind: schemas.Kind_KIND_OUTCOME, App: "freight", User: "ann", Outcome: &schemas.Outcome{Position: uint64(behind[0])},
	})
	var users []string
	pushed := func(e eventlog.Entry) bool {
		if e.Event.Kind == schemas.Kind_KIND_OUTCOME {
			t.Errorf("a decision behind the seal goes on at %v", e.Position)
		}
		return e.Event.Kind == schemas.Kind_KIND_PUSHED
	}
	again := w.await(next, "first push", pushed)
	users = append(users, again.Event.User, w.await(next, "second push", pushed).Event.User)
	<-rows.looked
	close(rows.carried)
	claim := w.await(next, "claim", func(e eventlog.Entry) bool { return e.Event.Kind == schemas.Kind_KIND_CLAIMED })
	if claim.Position <= sealed {
		t.Errorf("claimed at %v, sealed at %v", claim.Position, sealed)
	}
	stop()

	// A worker that died before it stored how far it was: its copy is a repeat.
	w.raw(again, sweeper(0, 0), uint64(behind[0].Offset())+1)
	rows.first = func() *snapshot.Snapshot {
		s := &snapshot.Snapshot{State: mailbox.New(), Serials: new(eventlog.Serials), Next: sealed.Offset() + 1, Found: true}
		s.State.Sealed = true
		return s
	}
	w.push("cem")
	w.workerWith(Config{Settings: Defaults(), Load: rows.load})
	users = append(users, w.await(next, "third push", pushed).Event.User)
	if want := []string{"ann", "ben", "cem"}; !slices.Equal(users, want) {
		t.Errorf("pushes in the next epoch are of %v, want %v", users, want)
	}
}

// raw appends the entry to the next epoch with that stamp.
func (w *world) raw(e eventlog.Entry, origin, serial uint64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	_, err := w.appender.AppendWait(ctx, eventlog.Record{
		Topic: eventlog.EventsOf(1), Partition: eventlog.ByKey, Key: slices.Clone(e.Key), Stamp: eventlog.NoStamp,
		Value: eventlog.AppendStamp(slices.Clone(e.Value), origin, serial),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}
