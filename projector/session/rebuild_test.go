package session

import (
	"context"
	"errors"
	"log/slog"
	"testing"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

// rebuild makes one that can be run, and what it says.
func (w *world) rebuild(accept bool) (*Rebuild, *says) {
	w.t.Helper()
	said := newSays(w.t)
	r, err := NewRebuild(RebuildConfig{Log: w.log, DSN: w.dsn, Accept: accept, Logger: slog.New(said)})
	if err != nil {
		w.t.Fatal(err)
	}
	return r, said
}

// projected is a world whose log of n random events is in the tables.
func projected(t *testing.T, partitions int32, seed uint64, n int) (*world, *mailboxtest.Log) {
	t.Helper()
	w, log := newWorld(t, partitions), mailboxtest.NewLog(seed)
	log.Users = 12
	w.random(log, n)
	(&history{world: w, partitions: partitions}).toEnd()
	return w, log
}

// schemas counts those of the test's own and beside it.
func (w *world) schemas(pool *pgxpool.Pool) (n int) {
	w.t.Helper()
	if err := pool.QueryRow(within(w.t), "SELECT count(*) FROM pg_namespace WHERE nspname LIKE current_schema() || '%'").Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestRebuildWhileAllRuns rebuilds several times while events come, a projector
// stores them, and somebody loads as a delivery worker does. Every load is the
// fold up to where it says that it is, before, during and after each swap.
func TestRebuildWhileAllRuns(t *testing.T) {
	const partitions = 2
	w := newWorld(t, partitions)
	log := mailboxtest.NewLog(21)
	log.Users = 12
	w.random(log, 1500)
	p := w.prepare()
	p.cfg.Events = 70 // places that are no ends of the rebuild's batches
	p.start()
	for i := range int32(partitions) {
		_, next := w.fold(i)
		p.until(i, next)
	}

	ctx, stop := context.WithCancel(t.Context())
	loads := make(chan []*snapshot.Snapshot)
	pool := pgtest.Pool(t, w.dsn)
	go func() { loads <- loadAll(ctx, t, pool) }()
	coming := make(chan struct{})
	go func() {
		defer close(coming)
		for ctx.Err() == nil {
			moved := p.nextFlush()
			w.random(log, 20)
			select {
			case <-moved:
			case <-ctx.Done():
			}
		}
	}()
	for range 3 {
		r, _ := w.rebuild(false)
		done, err := r.Run(within(t))
		if err != nil || !done.Swapped || len(done.Differences) > 0 || done.Partitions != partitions || done.Events == 0 {
			t.Errorf("rebuilt %+v, %v", done, err)
		}
	}
	stop()
	<-coming
	for i := range int32(partitions) {
		_, next := w.fold(i)
		p.until(i, next)
	}
	p.end()
	for i := range int32(partitions) {
		w.agrees(pool, i)
	}
	w.holdAgainstFold(<-loads)
	if n := w.schemas(pool); n != 1 {
		t.Errorf("%d schemas are left, want the live one", n)
	}
}

// nextFlush is closed with it.
func (r *running) nextFlush() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved
}

// loadAll loads partition 0 until ctx ends, and keeps what differs in place.
func loadAll(ctx context.Context, t *testing.T, pool *pgxpool.Pool) (all []*snapshot.Snapshot) {
	last := int64(-1)
	for ctx.Err() == nil {
		s, err := snapshot.Load(context.WithoutCancel(ctx), pool, eventlog.EventsTopic, 0)
		if err != nil {
			t.Errorf("a load meanwhile: %v", err)
			return all
		}
		if s.Next < last {
			t.Errorf("loaded up to %d after %d", s.Next, last)
		}
		if s.Next != last {
			all = append(all, s)
		}
		last = s.Next
	}
	return all
}

// holdAgainstFold folds partition 0 once and looks at each load on the way.
func (w *world) holdAgainstFold(loads []*snapshot.Snapshot) {
	w.t.Helper()
	state := mailbox.New()
	check := func(next int64) {
		for len(loads) > 0 && loads[0].Next <= next {
			if loads[0].Next != 0 {
				if err := mailbox.Same(state, loads[0].State); err != nil {
					w.t.Errorf("what was loaded up to %d differs: %v", loads[0].Next, err)
				}
			}
			loads = loads[1:]
		}
	}
	end := w.read(0, func(e eventlog.Entry) {
		check(e.Offset)
		state.Apply(e.Position, e.Time, e.Event)
	})
	if check(end); len(loads) > 0 {
		w.t.Errorf("%d loads are beyond the log", len(loads))
	}
}

// TestRebuildSaysDifferences: rows that nobody folded are found and named, and
// only who accepts that has them replaced.
func TestRebuildSaysDifferences(t *testing.T) {
	w, _ := projected(t, 2, 22, 1200)
	pool := pgtest.Pool(t, w.dsn)
	for _, sql := range []string{
		"UPDATE devices SET cursor = cursor + 1 WHERE ctid = (SELECT ctid FROM devices LIMIT 1)",
		"DELETE FROM sessions WHERE ctid = (SELECT ctid FROM sessions LIMIT 1)",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	before := w.checksum()
	r, said := w.rebuild(false)
	done, err := r.Run(within(t))
	if !errors.Is(err, ErrDiffers) || done.Swapped {
		t.Errorf("rebuilt %+v, %v", done, err)
	}
	var devices, sessions int64
	if err := pool.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM devices), (SELECT count(*) FROM sessions)").Scan(&devices, &sessions); err != nil {
		t.Fatal(err)
	}
	want := []Difference{
		{Table: "devices", LiveRows: devices, RebuiltRows: devices, OnlyLive: 1, OnlyRebuilt: 1},
		{Table: "sessions", LiveRows: sessions, RebuiltRows: sessions + 1, OnlyRebuilt: 1},
	}
	if diff := cmp.Diff(want, done.Differences); diff != "" {
		t.Error(diff)
	}
	said.until("a table differs: devices")
	if n := w.schemas(pool); n != 1 || w.checksum() != before {
		t.Errorf("%d schemas, or other rows, after a rebuild that swapped nothing", n)
	}

	r, _ = w.rebuild(true)
	if done, err = r.Run(within(t)); err != nil || !done.Swapped {
		t.Errorf("accepted: rebuilt %+v, %v", done, err)
	}
	for i := range int32(2) {
		w.agrees(pool, i)
	}
}

// TestRebuildIsNoticedByTheIdle: a projector that has nothing to do holds a
// fold of the former tables. Its next flush is refused though the position is
// the same, and it goes on from the rebuilt ones.
func TestRebuildIsNoticedByTheIdle(t *testing.T) {
	w, log := projected(t, 1, 23, 600)
	pool := pgtest.Pool(t, w.dsn)
	if _, err := pool.Exec(t.Context(), "UPDATE devices SET cursor = 1"); err != nil {
		t.Fatal(err)
	}
	p := w.prepare().start()
	p.said.until("projecting a partition")
	r, _ := w.rebuild(true)
	if done, err := r.Run(within(t)); err != nil || !done.Swapped {
		t.Fatalf("rebuilt %+v, %v", done, err)
	}
	w.random(log, 100)
	_, next := w.fold(0)
	p.until(0, next)
	p.end()
	w.agrees(pool, 0)
	if n, _ := p.said.count("projecting a partition"); n != 2 {
		t.Errorf("the projector loaded %d times, want 2", n)
	}
}

// TestRebuildGivesWay: somebody reads for long; the swap waits a little, lets
// everybody else pass, and tries again.
func TestRebuildGivesWay(t *testing.T) {
	w, _ := projected(t, 1, 24, 300)
	pool := pgtest.Pool(t, w.dsn)
	reader, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "SELECT FROM devices"); err != nil {
		t.Fatal(err)
	}
	r, said := w.rebuild(false)
	ended := make(chan error, 1)
	go func() { _, err := r.Run(within(t)); ended <- err }()
	said.until("the tables could not be swapped now, trying again")
	if _, err := snapshot.Load(within(t), pool, eventlog.EventsTopic, 0); err != nil {
		t.Errorf("a load while the swap waits: %v", err)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.agrees(pool, 0)
}

// TestRebuildAlone: two at once are refused, what a dead one left is removed,
// and one that is stopped leaves the live tables alone.
func TestRebuildAlone(t *testing.T) {
	w, _ := projected(t, 1, 25, 300)
	pool := pgtest.Pool(t, w.dsn)
	before := w.checksum()
	first, err := openTables(t.Context(), w.dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), "CREATE SCHEMA "+quote(first.rebuilt)+"; CREATE TABLE "+quote(first.rebuilt)+".devices ()"); err != nil {
		t.Fatal(err)
	}
	second, _ := w.rebuild(false)
	if _, err := second.Run(within(t)); !errors.Is(err, ErrRebuilding) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.conn.Close(t.Context()); err != nil { // it dies
		t.Fatal(err)
	}

	stopped, stop := context.WithCancelCause(t.Context())
	stop(errKilled)
	r, _ := w.rebuild(false)
	if done, err := r.Run(stopped); err == nil || done.Swapped {
		t.Errorf("one that was stopped: %+v, %v", done, err)
	}
	if w.checksum() != before {
		t.Error("a rebuild that was stopped has changed rows")
	}
	r, _ = w.rebuild(false)
	if done, err := r.Run(within(t)); err != nil || !done.Swapped {
		t.Errorf("rebuilt %+v, %v", done, err)
	}
	if n := w.schemas(pool); n != 1 || w.checksum() != before {
		t.Errorf("%d schemas, or other rows, after the rebuild", n)
	}
}

// TestRebuildProgress counts from the log's oldest record to the targets.
func TestRebuildProgress(t *testing.T) {
	l := newLegs()
	l.update(0, func(g *leg) { *g = leg{target: livePlace{next: 300}, from: 100, stored: 200, events: 90} })
	l.update(1, func(g *leg) { *g = leg{target: livePlace{next: 200}, stored: 200, events: 200} })
	events, percent, there, of := l.progress()
	if events != 290 || percent != 75 || there != 1 || of != 2 {
		t.Errorf("%d events, %d %%, %d of %d partitions", events, percent, there, of)
	}
}
