package readmodels

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
)

// Checksum of Postgres, as soon as it has all that the log has now.
func Checksum(ctx context.Context, dsn string, log *eventlog.Log) (sum string, err error) {
	err = caughtUp(ctx, dsn, log, func(pool *pgxpool.Pool) error {
		sum, err = snapshot.Checksum(ctx, pool)
		return err
	})
	return sum, err
}

// Standing is how much Postgres has of what outlives a moment.
type Standing struct {
	Pushes   int // pending
	Sessions int // live
	Routes   int
}

// Stands counts the rows, as soon as they have all that the log has now.
func Stands(ctx context.Context, dsn string, log *eventlog.Log) (s Standing, err error) {
	err = caughtUp(ctx, dsn, log, func(pool *pgxpool.Pool) error {
		const count = `SELECT (SELECT count(*) FROM pending_pushes), (SELECT count(*) FROM sessions WHERE live), (SELECT count(*) FROM routes)`
		return pool.QueryRow(ctx, count).Scan(&s.Pushes, &s.Sessions, &s.Routes)
	})
	return s, err
}

// caughtUp lets look see Postgres when it has reached what is the log's end now.
func caughtUp(ctx context.Context, dsn string, log *eventlog.Log, look func(*pgxpool.Pool) error) error {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	ends, err := ledger.Ends(ctx, log)
	if err != nil {
		return err
	}
	err = bell.Poll(ctx, "the projection to reach the log's end", func() error { return behind(ctx, pool, ends) })
	if err != nil {
		return err
	}
	return look(pool)
}

// behind says which partition is not projected up to its end.
func behind(ctx context.Context, pool *pgxpool.Pool, ends map[int32]int64) error {
	rows, err := pool.Query(ctx, "SELECT partition, next FROM projection WHERE topic = $1", eventlog.EventsTopic)
	if err != nil {
		return err
	}
	projected := make(map[int32]int64) // a partition without a row is empty
	var partition int32
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&partition, &next}, func() error {
		projected[partition] = next
		return nil
	})
	if err != nil {
		return err
	}
	for partition, end := range ends {
		if next := projected[partition]; next < end {
			return fmt.Errorf("partition %d is projected up to %d of %d", partition, next, end)
		}
	}
	return nil
}

// Drop makes Postgres as if no migration had ever been there.
func Drop(ctx context.Context, dsn string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("drop the read model: %w", err)
	}
	_, err = c.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	if err = errors.Join(err, c.Close(ctx)); err != nil {
		return fmt.Errorf("drop the read model: %w", err)
	}
	return nil
}
