package crash

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
)

// checkReplay stops everybody who writes, drops the tables of Postgres, and lets
// the projectors read the log again: the rows must be the same.
func (r *run) checkReplay(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := r.halt("gate", "delivery"); err != nil {
		return err
	}
	before, err := r.settledChecksum(ctx)
	if err != nil {
		return err
	}
	if err := r.halt("projector"); err != nil {
		return err
	}
	if err := dropTables(ctx, r.site.postgres.server.DSN()); err != nil {
		return err
	}
	if err := r.site.migrate(ctx); err != nil {
		return err
	}
	for _, name := range []string{"projector-1", "projector-2"} {
		if err := r.site.find(name).start(); err != nil {
			return err
		}
	}
	after, err := r.settledChecksum(ctx)
	if err == nil && after != before {
		err = fmt.Errorf("after a replay the checksum is %s, it was %s", after, before)
	}
	return err
}

// halt asks all processes of these stages to end, and they must end well.
func (r *run) halt(stages ...string) error {
	g := new(errgroup.Group)
	for _, stage := range stages {
		for n := 1; n <= 2; n++ {
			g.Go(func() error { return r.site.find(fmt.Sprintf("%s-%d", stage, n)).end(syscall.SIGTERM, 30*time.Second) })
		}
	}
	return g.Wait()
}

// settledChecksum waits until the projection is at the log's end.
func (r *run) settledChecksum(ctx context.Context) (string, error) {
	pool, err := pgxpool.New(ctx, r.site.postgres.server.DSN())
	if err != nil {
		return "", err
	}
	defer pool.Close()
	ends, err := ledger.Ends(ctx, r.log)
	if err != nil {
		return "", err
	}
	err = poll(ctx, "the projection to reach the log's end", func() error {
		for partition, end := range ends {
			var next int64
			err := pool.QueryRow(ctx, "SELECT next FROM projection WHERE topic = $1 AND partition = $2",
				eventlog.EventsTopic, partition).Scan(&next)
			if errors.Is(err, pgx.ErrNoRows) && end == 0 {
				continue
			}
			if err != nil {
				return err
			}
			if next < end {
				return fmt.Errorf("partition %d is projected up to %d of %d", partition, next, end)
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	return snapshot.Checksum(ctx, pool)
}

// dropTables makes the read model of Postgres as if it had never been there.
func dropTables(ctx context.Context, dsn string) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	return errors.Join(err, c.Close(ctx))
}
