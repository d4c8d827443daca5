// Package migrations holds the schemas of the read models as SQL and applies
// them with goose (`waybill migrate`):
//
//	clickhouse/  hops, connections, pushes, and the funnel's roll-up
//	postgres/    sessions, routes, pending pushes: the snapshot
//
// A file that has been released is never changed; the next one changes the
// schema. The log has authority over every row: a table may be dropped, and
// what the log still holds comes back by replay. Hops older than that do not.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed clickhouse/*.sql postgres/*.sql
var files embed.FS

// ClickHouse brings the database that db is connected to up to the newest
// schema; one that is there already is left alone. Two of them at once on an
// empty database are safe as every statement is idempotent; ClickHouse has no
// lock to take.
func ClickHouse(ctx context.Context, db *sql.DB) error {
	return up(ctx, db, goose.DialectClickHouse, "clickhouse")
}

// Postgres brings the database up to the newest schema. Others that try it at
// the same time wait for a lock in the database.
func Postgres(ctx context.Context, db *sql.DB) error {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("migrate postgres: %w", err)
	}
	return up(ctx, db, goose.DialectPostgres, "postgres", goose.WithSessionLocker(locker))
}

func up(ctx context.Context, db *sql.DB, dialect goose.Dialect, folder string, options ...goose.ProviderOption) error {
	scripts, err := fs.Sub(files, folder)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", folder, err)
	}
	options = append(options, goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(dialect, db, scripts, options...)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", folder, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", folder, err)
	}
	return nil
}
