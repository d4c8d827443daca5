package app

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2" // brings its driver of database/sql
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // driver of database/sql

	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/migrations"
	"waybill/schemas"
)

// MigrateConfig says what an installation is to have.
type MigrateConfig struct {
	// Partitions of keyed topics. 0 = as many as waybill.events has; 64 where there
	// is none.
	Partitions int32
	// Grow lets waybill.events go on in its next epoch where it has fewer
	// partitions: docs/decisions/0016. Without it, another number is an error.
	Grow        bool
	Dispatch    int32 // of waybill.dispatch: the highest gate number and 1 (default 64)
	Replication int16 // copies of each topic; -1 = the brokers' default
	Apps        []*schemas.App
	// Rotate publishes another key that seals tickets; nil leaves them as they are.
	Rotate *control.Rotation
	// Wait is how long engines that are away, or not ready, are waited for; 0 =
	// not at all.
	Wait time.Duration
}

// Migrate creates what is missing and checks what is there: topics, then the
// schemas of the read models, then the apps with their topics, and the keys that
// seal tickets, and the log's next epoch. An engine without an address is left out. It may be
// repeated, and beside others.
func Migrate(ctx context.Context, b Base, cfg MigrateConfig) error {
	waiting, cancel := context.WithTimeoutCause(ctx, cfg.Wait, errPatience)
	defer cancel()
	for _, s := range steps(b, cfg) {
		start := time.Now()
		if err := s.insist(ctx, waiting, b); err != nil {
			return fmt.Errorf("migrate %s: %w", s.what, err)
		}
		b.Logger.Info("migrated", "what", s.what, "seconds", time.Since(start).Seconds())
	}
	return nil
}

// errPatience ends the waiting of a migration.
var errPatience = errors.New("waited as long as --wait allows")

// step of a migration, with what must answer before it.
type step struct {
	what  string
	needs needs
	do    func(context.Context) error
}

func steps(b Base, cfg MigrateConfig) (all []step) {
	if len(b.Kafka) > 0 {
		all = append(all, step{"topics", needs{kafka: true}, func(ctx context.Context) error { return migrateTopics(ctx, b, cfg) }})
	}
	if b.Postgres != "" {
		all = append(all, step{"postgres", needs{postgres: answering}, func(ctx context.Context) error {
			return migrateDB(ctx, "pgx", b.Postgres, migrations.Postgres)
		}})
	}
	if b.ClickHouse != "" {
		all = append(all, step{"clickhouse", needs{clickhouse: answering}, func(ctx context.Context) error {
			return migrateDB(ctx, "clickhouse", b.ClickHouse, migrations.ClickHouse)
		}})
	}
	if len(b.Kafka) > 0 && len(cfg.Apps) > 0 {
		all = append(all, step{"apps", needs{kafka: true}, func(ctx context.Context) error { return migrateApps(ctx, b, cfg) }})
	}
	if len(b.Kafka) > 0 && cfg.Rotate != nil {
		all = append(all, step{"cluster key", needs{kafka: true}, func(ctx context.Context) error { return rotateKey(ctx, b, *cfg.Rotate) }})
	}
	if len(b.Kafka) > 0 {
		all = append(all, step{"control", needs{kafka: true}, func(ctx context.Context) error { return tidy(ctx, b) }})
	}
	if len(b.Kafka) > 0 && cfg.Grow {
		all = append(all, step{"epoch", needs{kafka: true}, func(ctx context.Context) error { return migrateEpoch(ctx, b, cfg) }})
	}
	return all
}

// insist waits for the engine, and does the step until it has worked, waiting
// has ended, or its error is none that goes away by itself: a cluster of which
// only one broker has come up answers, and cannot make three copies yet.
func (s step) insist(ctx, waiting context.Context, b Base) error {
	if waiting.Err() == nil {
		var last string
		show := func(words string) { last = words }
		if err := await(waiting, b, s.needs, b.Logger.With("migrating", s.what), show); err != nil {
			return fmt.Errorf("%w: %s", err, last)
		}
	}
	said := time.Time{}
	for tries := 0; ; tries++ {
		err := s.do(ctx)
		if err == nil || ctx.Err() != nil || permanent(err) || !rest(waiting, backoff(tries)) {
			return err
		}
		if time.Since(said) >= sayEvery {
			said = time.Now()
			b.Logger.Warn("not possible yet, trying again", "migrating", s.what, "err", err)
		}
	}
}

// permanent says that trying again gives the same error.
func permanent(err error) bool {
	var pg *pgconn.PgError
	var ch *clickhouse.Exception
	return errors.Is(err, eventlog.ErrTopicDiffers) || errors.Is(err, eventlog.ErrNotMoved) || errors.Is(err, control.ErrKeyTaken) || errors.Is(err, control.ErrOtherKey) || errors.As(err, &pg) || errors.As(err, &ch)
}

func migrateTopics(ctx context.Context, b Base, cfg MigrateConfig) error {
	log, err := b.open("migrate@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	n, err := firstPartitions(ctx, log, cfg)
	if err != nil {
		return err
	}
	return log.CreateTopics(ctx, eventlog.Specs(n, cfg.Dispatch, cfg.Replication))
}

func migrateDB(ctx context.Context, driver, dsn string, migrate func(context.Context, *sql.DB) error) error {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = db.Close() }()
	return migrate(ctx, db)
}

func migrateApps(ctx context.Context, b Base, cfg MigrateConfig) error {
	log, err := b.open("migrate@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	n, err := firstPartitions(ctx, log, cfg)
	if err != nil {
		return err
	}
	changed, err := control.Apply(ctx, log, control.Change{Apps: cfg.Apps, Partitions: n, Replication: cfg.Replication})
	if err != nil {
		return err
	}
	b.Logger.Info("apps are in force", slog.Any("changed", changed))
	return nil
}
