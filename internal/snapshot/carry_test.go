package snapshot_test

import (
	"errors"
	"testing"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/jackc/pgx/v5/pgxpool"
)

// opened is the writer of any partition.
func opened(t *testing.T, pool *pgxpool.Pool, topic string, partition int32) *writer {
	t.Helper()
	s, err := snapshot.Load(t.Context(), pool, topic, partition)
	if err != nil {
		t.Fatal(err)
	}
	s.State.Track()
	return &writer{t, pool, s}
}

// TestCarryOver: what two partitions had at their seals, three have afterwards,
// each user in its own, and go on with it.
func TestCarryOver(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	epochs := snapshot.Epochs{From: topic, To: eventlog.EventsOf(1), FromParts: 2, ToParts: 3}
	log := mailboxtest.NewLog(11)
	log.Users = 30
	direct := mailbox.New()
	former, next := eventlog.PartitionsOf(2), eventlog.PartitionsOf(3)
	writers := []*writer{opened(t, pool, topic, 0), opened(t, pool, topic, 1)}
	last := log.Take(3000)
	for i, e := range last {
		direct.Apply(e.Position, e.Time, e.Event)
		for n, w := range writers {
			if e.Event.Kind == schemas.Kind_KIND_CLAIMED || former(schemas.Key(e.Event.App, e.Event.User)) == int32(n) {
				w.apply(e)
			}
			if i == 1500 {
				w.mustFlush(e.Offset + 1)
			}
		}
	}
	end := last[len(last)-1]
	seal := &schemas.Event{Kind: schemas.Kind_KIND_SEALED, Sealed: &schemas.Sealed{Epoch: 1, Partitions: 3}}
	for _, w := range writers {
		if err := snapshot.CarryOver(t.Context(), pool, epochs); !errors.Is(err, snapshot.ErrNotSealed) {
			t.Fatalf("carried over before partition %d ended: %v", w.Partition, err)
		}
		w.State.Apply(end.Position+1, end.Time+5, seal)
		w.Serials.SetTime(end.Time + 5)
		w.mustFlush(end.Offset + 2)
	}
	for range 2 { // the second changes nothing
		if err := snapshot.CarryOver(t.Context(), pool, epochs); err != nil {
			t.Fatal(err)
		}
	}
	got := mailbox.New()
	got.Term = direct.Term
	for n := range int32(3) {
		w := opened(t, pool, epochs.To, n)
		if !w.Found || w.Next != 0 || w.State.Term != 0 || w.State.Sealed || w.Serials.Time() != end.Time+5 {
			t.Errorf("partition %d begins with %+v", n, w.Snapshot)
		}
		for key, u := range w.State.Users {
			if next([]byte(key)) != n {
				t.Errorf("%s is in partition %d, want %d", key, n, next([]byte(key)))
			}
			got.Users[key] = u
		}
		w.goOn(n)
	}
	if diff := mailboxtest.Diff(direct, got, true); diff != "" {
		t.Error(diff)
	}
	if again := opened(t, pool, topic, 0); !again.State.Sealed || len(again.State.Users) > 0 {
		t.Errorf("the former partition has %d users, sealed: %v", len(again.State.Users), again.State.Sealed)
	}
}

// goOn: the first flush of the next epoch is taken, once.
func (w *writer) goOn(partition int32) {
	w.t.Helper()
	twin := opened(w.t, w.pool, w.Topic, partition)
	claim := &schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: []byte("0123456789abcdef")}}
	for _, x := range []*writer{w, twin} {
		x.State.Apply(schemas.At(1, 0), x.Serials.Time()+1, claim)
	}
	w.mustFlush(1)
	if err := twin.flush(1); !errors.Is(err, snapshot.ErrFenced) {
		w.t.Errorf("a second writer of partition %d flushed: %v", partition, err)
	}
	w.State.Term = 0 // as the former epoch's
	if got := opened(w.t, w.pool, w.Topic, partition); got.State.Term != schemas.At(1, 0) || got.Next != 1 {
		w.t.Errorf("partition %d stands at %d, term %v", partition, got.Next, got.State.Term)
	}
}
