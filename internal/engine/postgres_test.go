package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func startPostgres(t *testing.T, dir string) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir, Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// queryPostgres runs one statement that returns one row, on a connection of its
// own.
func queryPostgres(t *testing.T, p *Postgres, query string, into ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if err := conn.QueryRow(t.Context(), query).Scan(into...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// TestPostgresRestarts runs in a directory that, for root, the server's user
// cannot enter by its name: t.TempDir has a private parent.
func TestPostgresRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", strings.Repeat("long", 40))
	p := startPostgres(t, dir)
	conn, err := pgx.Connect(t.Context(), p.DSN())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n"); err != nil {
		t.Fatal(err)
	}
	// A connection that is still open does not keep the server from stopping.
	closed(t, p)
	_ = conn.Close(context.Background())
	if _, err := os.Stat(p.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is left: %v", err)
	}

	p = startPostgres(t, dir)
	defer func() { closed(t, p) }()
	var n int
	queryPostgres(t, p, "SELECT count(*) FROM kept", &n)
	if n != 1000 {
		t.Errorf("after a restart %d of 1000 rows are there", n)
	}
	_, err = StartPostgres(t.Context(), PostgresConfig{Dir: dir})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second opener: %v", err)
	}
}

func TestPostgresComesBackAfterItsKill(t *testing.T) {
	dir := t.TempDir()
	p := startPostgres(t, dir)
	if err := p.child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	closed(t, p)
	p = startPostgres(t, dir)
	queryPostgres(t, p, "SELECT 1", new(int))
	closed(t, p)
}

func TestPostgresRefusesAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, dataName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, written := range []marker{{"postgres", "13"}, {"clickhouse", "26.7"}} {
		if err := written.write(dir); err != nil {
			t.Fatal(err)
		}
		_, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir})
		if !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), written.String()) {
			t.Errorf("directory of %s: %v", written, err)
		}
	}
}

func TestPostgresProgramsOfOnesOwn(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("WAYBILL_PG_BIN", empty)
	_, err := StartPostgres(t.Context(), PostgresConfig{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "WAYBILL_PG_BIN="+empty) {
		t.Errorf("empty folder: %v", err)
	}
	old := "#!/bin/sh\necho 'postgres (PostgreSQL) 12.3'\n"
	for _, program := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(empty, program), []byte(old), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, err = StartPostgres(t.Context(), PostgresConfig{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "version 12, 15 or newer is needed") {
		t.Errorf("old server: %v", err)
	}
}

func TestPostgresRefusesForeignSocketFolder(t *testing.T) {
	dir := t.TempDir()
	path, err := socketDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(path) }()
	if again, err := socketDir(dir); err != nil || again != path {
		t.Errorf("used again: %s, %v", again, err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := socketDir(dir); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("a folder that others may enter: %v", err)
	}
}

func TestPostgresStartIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := StartPostgres(ctx, PostgresConfig{Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("start: %v", err)
	}
	closed(t, startPostgres(t, dir)) // what was left is no obstacle
}

func TestServePostgresUntilEOF(t *testing.T) {
	stdin, end := io.Pipe()
	address, out := io.Pipe()
	served := make(chan error, 1)
	dir := t.TempDir()
	go func() { served <- ServePostgres(context.Background(), dir, stdin, out) }()
	line := readLine(t, address)
	conn, err := pgx.Connect(t.Context(), line)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(context.Background())
	closed(t, end)
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func readLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}
