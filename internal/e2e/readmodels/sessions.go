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
func Checksum(ctx context.Context, dsn string, log *eventlog.Log) (string, error) {
	pool, err := pgxpool.New(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer pool.Close()
	ends, err := ledger.Ends(ctx, log)
	if err != nil {
		return "", err
	}
	err = bell.Poll(ctx, "the projection to reach the log's end", func() error { return behind(ctx, pool, ends) })
	if err != nil {
		return "", err
	}
	return snapshot.Checksum(ctx, pool)
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
