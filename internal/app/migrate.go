package app

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	_ "github.com/ClickHouse/clickhouse-go/v2" // database/sql driver for migrations
	_ "github.com/jackc/pgx/v5/stdlib"         // database/sql driver for migrations

	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/migrations"
	"waybill/schemas"
)

// MigrateConfig says what an installation is to have.
type MigrateConfig struct {
	Partitions  int32 // of keyed topics (default 64)
	Dispatch    int32 // of waybill.dispatch: the highest gate number and 1 (default 64)
	Replication int16 // copies of each topic; -1 = the brokers' default
	Apps        []*schemas.App
}

// Migrate creates what is missing and checks what is there: topics, then the
// schemas of the read models, then the apps with their topics. An engine
// without an address is left out. It may be repeated.
func Migrate(ctx context.Context, b Base, cfg MigrateConfig) error {
	steps := []struct {
		what string
		skip bool
		do   func(context.Context) error
	}{
		{"topics", len(b.Kafka) == 0, func(ctx context.Context) error { return migrateTopics(ctx, b, cfg) }},
		{"postgres", b.Postgres == "", func(ctx context.Context) error {
			return migrateDB(ctx, "pgx", b.Postgres, migrations.Postgres)
		}},
		{"clickhouse", b.ClickHouse == "", func(ctx context.Context) error {
			return migrateDB(ctx, "clickhouse", b.ClickHouse, migrations.ClickHouse)
		}},
		{"apps", len(b.Kafka) == 0 || len(cfg.Apps) == 0, func(ctx context.Context) error { return migrateApps(ctx, b, cfg) }},
	}
	for _, s := range steps {
		if s.skip {
			continue
		}
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("migrate %s: %w", s.what, err)
		}
		b.Log.Info("migrated", "what", s.what, "seconds", time.Since(start).Seconds())
	}
	return nil
}

func migrateTopics(ctx context.Context, b Base, cfg MigrateConfig) error {
	log, err := b.open("migrate@" + b.Host)
	if err != nil {
		return err
	}
	defer log.Close()
	return log.CreateTopics(ctx, eventlog.Specs(cfg.Partitions, cfg.Dispatch, cfg.Replication))
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
	changed, err := control.Apply(ctx, log, control.Change{Apps: cfg.Apps, Partitions: cfg.Partitions, Replication: cfg.Replication})
	if err != nil {
		return err
	}
	b.Log.Info("apps are in force", slog.Any("changed", changed))
	return nil
}
