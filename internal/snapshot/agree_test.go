package snapshot_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const topic = "waybill.events"

// writer folds a log into rows, as the projector does.
type writer struct {
	t    *testing.T
	pool *pgxpool.Pool
	*snapshot.Snapshot
}

func open(t *testing.T, pool *pgxpool.Pool) *writer {
	t.Helper()
	s, err := snapshot.Load(t.Context(), pool, topic, 3)
	if err != nil {
		t.Fatal(err)
	}
	s.State.Track()
	return &writer{t, pool, s}
}

func (w *writer) apply(e mailboxtest.Entry) {
	w.t.Helper()
	w.State.Apply(e.Position, e.Time, e.Event)
	w.Serials.Fresh(uint64(1+e.Offset%3), uint64(1+e.Offset), e.Time)
	if err := w.State.CheckInvariants(); err != nil {
		w.t.Fatalf("after %v: %v", e.Position, err)
	}
}

func (w *writer) flush(next int64) error {
	c := w.Cut(next)
	err := pgx.BeginFunc(w.t.Context(), w.pool, func(tx pgx.Tx) error {
		return snapshot.Flush(w.t.Context(), tx, c)
	})
	if err == nil {
		w.Stored(c)
	}
	return err
}

func (w *writer) mustFlush(next int64) {
	w.t.Helper()
	if err := w.flush(next); err != nil {
		w.t.Fatal(err)
	}
}

func checksum(t *testing.T, pool *pgxpool.Pool) string {
	t.Helper()
	sum, err := snapshot.Checksum(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestRowsAgreeWithFold is what delivery and the projector rest on: whatever the log says
// and wherever it is cut, the rows are the fold.
func TestRowsAgreeWithFold(t *testing.T) {
	dsn := pgtest.Migrated(t)
	pool := pgtest.Pool(t, dsn)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			log := mailboxtest.NewLog(seed)
			log.Users, log.Holes = 2+int(seed)%8, true
			n := 500
			if seed >= 18 {
				log.Users, log.Crowded, n = 1, true, 1500
			}
			entries := log.Take(n)
			if log.Crowded && !slotsUsedAgain(entries) {
				t.Error("no slot is used again: the log shows nothing of it")
			}
			sums := map[string]bool{}
			for cuts := range uint64(2) {
				empty(t, pool)
				foldAndStore(t, pool, entries, rand.New(rand.NewPCG(seed, cuts)))
				sums[checksum(t, pool)] = true
			}
			if len(sums) != 1 {
				t.Errorf("the same log, cut in two ways, has the checksums %v", sums)
			}
		})
	}
}

// slotsUsedAgain says whether a device has the slot of another one in the end.
func slotsUsedAgain(entries []mailboxtest.Entry) bool {
	state := mailbox.New()
	for _, e := range entries {
		state.Apply(e.Position, e.Time, e.Event)
	}
	for _, u := range state.Users {
		if slices.ContainsFunc(u.Devices, func(d mailbox.Device) bool { return d.Floor > 0 }) {
			return true
		}
	}
	return false
}

// foldAndStore folds the log beside the one that is cut, stored and, now and
// then, loaded anew.
func foldAndStore(t *testing.T, pool *pgxpool.Pool, entries []mailboxtest.Entry, r *rand.Rand) {
	direct, w := mailbox.New(), open(t, pool)
	for i, e := range entries {
		direct.Apply(e.Position, e.Time, e.Event)
		w.apply(e)
		if i < len(entries)-1 && r.IntN(40) > 0 {
			continue
		}
		if r.IntN(4) == 0 {
			w.RewriteAt(r.IntN(20))
		}
		w.mustFlush(e.Offset + 1)
		if i == len(entries)-1 || r.IntN(3) == 0 {
			before := w.Serials
			w = open(t, pool)
			if diff := mailboxtest.Diff(direct, w.State, true); diff != "" {
				t.Fatalf("after %v what was loaded differs:\n%s", e.Position, diff)
			}
			if w.Next != e.Offset+1 || string(w.Serials.Encode(nil)) != string(before.Encode(nil)) {
				t.Fatalf("after %v the snapshot is as of %d, or its serials differ", e.Position, w.Next)
			}
			if err := w.State.CheckInvariants(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func empty(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for _, table := range []string{
		"devices", "sessions", "routes", "closing", "pending_pushes", "debts",
		"waiting_pushes", "tombstones", "recent_pushes", "projection",
	} {
		if _, err := pool.Exec(t.Context(), "DELETE FROM "+table); err != nil {
			t.Fatal(err)
		}
	}
}
