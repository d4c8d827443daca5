// Package pgtest gives tests a real Postgres: one server for a test binary, a
// schema of its own for each test. The server is the embedded one, or that of
// the address in WAYBILL_TEST_POSTGRES.
package pgtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"

	"waybill/internal/engine"
	"waybill/migrations"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// addressVariable holds the server's address while the tests run.
const addressVariable = "WAYBILL_TEST_POSTGRES"

// Main is for TestMain: it starts the server, runs the tests and stops it. It
// returns the code to exit with.
func Main(m *testing.M) int {
	if os.Getenv(addressVariable) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "waybill-pgtest-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	server, err := engine.StartPostgres(context.Background(), engine.PostgresConfig{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	if err := os.Setenv(addressVariable, server.DSN()); err != nil {
		panic(err)
	}
	return m.Run()
}

// Schema makes an empty schema and returns an address under which it is the
// only one. It is dropped after the test. Commits do not wait for the disk.
func Schema(t testing.TB) string {
	t.Helper()
	address := os.Getenv(addressVariable)
	name := fmt.Sprintf("test_%x_%s", os.Getpid(), strings.ToLower(strings.Map(letters, t.Name())))
	name = name[:min(len(name), 60)]
	exec(t, address, "DROP SCHEMA IF EXISTS "+name+" CASCADE", "CREATE SCHEMA "+name)
	t.Cleanup(func() { exec(t, address, "DROP SCHEMA IF EXISTS "+name+" CASCADE") })
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	return address + separator + "synchronous_commit=off&search_path=" + name
}

func letters(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return r
	}
	return '_'
}

// Migrated is a schema with the newest tables.
func Migrated(t testing.TB) string {
	t.Helper()
	dsn := Schema(t)
	Migrate(t, dsn)
	return dsn
}

// Migrate brings a schema up to the newest tables.
func Migrate(t testing.TB, dsn string) {
	t.Helper()
	db := open(t, dsn)
	defer db.Close()
	if err := migrations.Postgres(context.Background(), db); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return stdlib.OpenDB(*cfg)
}

// Empty drops every table of a schema and makes them anew.
func Empty(t testing.TB, dsn string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := cfg.RuntimeParams["search_path"]
	exec(t, dsn, "DROP SCHEMA "+name+" CASCADE", "CREATE SCHEMA "+name)
	Migrate(t, dsn)
}

// Pool connects to a schema until the test ends.
func Pool(t testing.TB, dsn string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, s := range statements {
		if _, err := conn.Exec(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
}
