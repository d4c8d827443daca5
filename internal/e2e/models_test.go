package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"waybill/console"
	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/migrations"
	"waybill/schemas"
)

// checkFunnel: the console counts what the log says, step by step and reason by
// reason.
func (s *storm) checkFunnel() {
	s.t.Helper()
	want := make(map[string]int)
	s.books.Look(func(l *ledger.Ledger) {
		c := s.tally(l)
		want["accepted"], want["dispatched"], want["sent"] = len(l.Order), c.dispatched, c.sent
		want["in flight"] = l.Unended
		want["delivered"] = c.classes[schemas.Class_CLASS_DELIVERED]
		for class, reasons := range c.why {
			for reason, n := range reasons {
				want[class.Word()+"/"+reason.Word()] = n
			}
		}
	})
	poll(s.t, "the funnel to say what the log says", func() error {
		got, err := s.funnel()
		if err != nil {
			return err
		}
		return same(got, want)
	})
}

// funnel counts everything of the app, as words.
func (w *world) funnel() (map[string]int, error) {
	var f console.Funnel
	q := url.Values{"app": {w.App.Name}}
	if err := w.getJSON("/v1/funnel?"+q.Encode(), &f); err != nil {
		return nil, err
	}
	got := map[string]int{
		"accepted": int(f.Total.Accepted), "dispatched": int(f.Total.Dispatched), "sent": int(f.Total.Sent),
		"delivered": int(f.Total.Delivered), "in flight": int(f.Total.InFlight),
	}
	for _, e := range f.Endings {
		got[e.Class+"/"+e.Reason] += int(e.Count)
	}
	return got, nil
}

func same(got, want map[string]int) error {
	for k := range want {
		if got[k] != want[k] {
			return fmt.Errorf("%s: got %d, want %d (all: got %v, want %v)", k, got[k], want[k], got, want)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			return fmt.Errorf("%s: got %d, want none", k, got[k])
		}
	}
	return nil
}

// checkReplay drops the tables of Postgres and lets the projector read the log
// again: the rows must be the same.
func (s *storm) checkReplay() {
	s.t.Helper()
	for _, name := range append(slices.Clone(gates), app.DevDelivery) { // nobody writes any more
		if err := s.Stop(name); err != nil {
			s.t.Errorf("stop %s: %v", name, err)
		}
	}
	before := s.settledChecksum()
	if err := s.Stop(app.DevSession); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	if err := dropTables(s.t.Context(), s.Base.Postgres); err != nil {
		s.t.Fatal(err)
	}
	s.restart(app.DevSession)
	if after := s.settledChecksum(); after != before {
		s.t.Errorf("after a replay the checksum is %s, it was %s", after, before)
	}
}

// settledChecksum waits until the projection is at the log's end.
func (w *world) settledChecksum() string {
	w.t.Helper()
	pool := w.pool()
	ends := w.ends()
	poll(w.t, "the projection to reach the log's end", func() error {
		for partition, end := range ends {
			var next int64
			err := pool.QueryRow(w.t.Context(), "SELECT next FROM projection WHERE topic = $1 AND partition = $2",
				eventlog.EventsTopic, partition).Scan(&next)
			if err != nil {
				return err
			}
			if next < end {
				return fmt.Errorf("partition %d is projected up to %d of %d", partition, next, end)
			}
		}
		return nil
	})
	sum, err := snapshot.Checksum(w.t.Context(), pool)
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

// ends of the partitions of waybill.events.
func (w *world) ends() map[int32]int64 {
	w.t.Helper()
	ends, err := ledger.Ends(w.t.Context(), w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	return ends
}

// dropTables makes the read model of Postgres as if it had never been there.
func dropTables(ctx context.Context, dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*cfg)
	defer db.Close()
	if _, err := db.ExecContext(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		return fmt.Errorf("drop tables: %w", err)
	}
	return migrate(ctx, db)
}

func migrate(ctx context.Context, db *sql.DB) error { return migrations.Postgres(ctx, db) }
