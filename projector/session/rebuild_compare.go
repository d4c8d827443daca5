package session

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/rebuild_recent.sql
var sqlRecentLines string

// Difference of one table, at the same positions of the log.
type Difference struct {
	Table                 string
	LiveRows, RebuiltRows int64
	OnlyLive, OnlyRebuilt int64 // rows that the other one has not, or says otherwise
}

// String says it in words.
func (d Difference) String() string {
	return fmt.Sprintf("%s: %d rows are live and %d rebuilt; %d live ones are missing or different, %d rebuilt ones are new or different",
		d.Table, d.LiveRows, d.RebuiltRows, d.OnlyLive, d.OnlyRebuilt)
}

// compare holds all tables against the live ones as of one moment, whose
// positions the fold reaches first. Nobody waits for it: the live ones are read
// in a transaction that sees that moment, the rebuilt ones stand still.
func (r *Rebuild) compare(ctx context.Context) (found []Difference, err error) {
	names, err := r.tables.names(ctx)
	if err != nil {
		return nil, err
	}
	moment := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, r.tables.conn, moment, func(live pgx.Tx) error {
		places, err := placesOf(ctx, live, r.tables.topic)
		if err != nil {
			return err
		}
		if err := r.legs.reach(ctx, places); err != nil {
			return err
		}
		for _, name := range names {
			d, err := r.compareTable(ctx, live, name)
			if err != nil {
				return err
			}
			if d != nil {
				r.cfg.Logger.Error("a table differs: "+d.Table, "difference", d.String())
				found = append(found, *d)
			}
		}
		return nil
	})
	if err != nil {
		return found, fmt.Errorf("compare: %w", err)
	}
	return found, nil
}

// compareTable compares by checksum, and looks at the rows only where that
// differs; nil: the table says the same.
func (r *Rebuild) compareTable(ctx context.Context, live querier, name string) (*Difference, error) {
	a, b, err := bothChecksums(ctx, live, r.db, name)
	if err != nil {
		return nil, err
	}
	if a == b {
		r.cfg.Logger.Info("compared: the same", "table", name, "rows", a.rows, "checksum", a.sum)
		return nil, nil
	}
	d := &Difference{Table: name, LiveRows: a.rows, RebuiltRows: b.rows}
	counts := make(map[int64]int64) // of equal rows: live ones less rebuilt ones
	if err := eachHash(ctx, live, name, func(h int64) { counts[h]++ }); err != nil {
		return nil, err
	}
	if err := eachHash(ctx, r.db, name, func(h int64) { counts[h]-- }); err != nil {
		return nil, err
	}
	for _, n := range counts {
		d.OnlyLive += max(n, 0)
		d.OnlyRebuilt += max(-n, 0)
	}
	return d, nil
}

// lines is a query for a table's rows as text, without what depends on when
// they were flushed.
func lines(name string) string {
	switch name {
	case "recent_pushes":
		return sqlRecentLines
	case "projection":
		return "SELECT (topic, partition, next, term, sealed)::text AS line FROM projection"
	}
	return "SELECT t::text AS line FROM " + quote(name) + " t"
}

// checksum of a table: it does not depend on the order of the rows.
type checksum struct {
	rows int64
	sum  string
}

// bothChecksums reads the two tables side by side.
func bothChecksums(ctx context.Context, live, rebuilt querier, name string) (a, b checksum, err error) {
	var errLive error
	var wg sync.WaitGroup
	wg.Go(func() { a, errLive = checksumOf(ctx, live, name) })
	b, err = checksumOf(ctx, rebuilt, name)
	wg.Wait()
	return a, b, errors.Join(errLive, err)
}

func checksumOf(ctx context.Context, q querier, name string) (c checksum, err error) {
	rows, err := q.Query(ctx, "SELECT count(*), coalesce(sum(hashtextextended(line, 0)), 0)::text FROM ("+lines(name)+") AS r")
	if err != nil {
		return c, fmt.Errorf("checksum of %s: %w", name, err)
	}
	if _, err = pgx.ForEachRow(rows, []any{&c.rows, &c.sum}, func() error { return nil }); err != nil {
		return c, fmt.Errorf("checksum of %s: %w", name, err)
	}
	return c, nil
}

// eachHash hands out a hash of each row.
func eachHash(ctx context.Context, q querier, name string, each func(int64)) error {
	rows, err := q.Query(ctx, "SELECT hashtextextended(line, 0) FROM ("+lines(name)+") AS r")
	if err != nil {
		return fmt.Errorf("read rows of %s: %w", name, err)
	}
	var hash int64
	if _, err = pgx.ForEachRow(rows, []any{&hash}, func() error { each(hash); return nil }); err != nil {
		return fmt.Errorf("read rows of %s: %w", name, err)
	}
	return nil
}
