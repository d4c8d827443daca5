package migrations_test

import (
	"context"
	"database/sql"
	"testing"

	_ "github.com/ClickHouse/clickhouse-go/v2"

	"waybill/internal/engine"
	"waybill/migrations"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	m.Run()
}

func TestClickHouseTwice(t *testing.T) {
	ch, err := engine.StartClickHouse(t.Context(), engine.ClickHouseConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ch.Close() })
	db, err := sql.Open("clickhouse", ch.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 2 {
		if err := migrations.ClickHouse(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"hops", "hop_rows", "connections", "pushes", "pushes_of_users", "funnel"} {
		if got := count(t.Context(), t, db, table); got != 0 {
			t.Errorf("%s has %d rows after the migration, want 0", table, got)
		}
	}
}

func count(ctx context.Context, t *testing.T, db *sql.DB, table string) (n uint64) {
	t.Helper()
	if err := db.QueryRowContext(ctx, "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
