package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/pressly/goose/v3"
)

func startClickHouse(t *testing.T, dir string) *ClickHouse {
	t.Helper()
	c, err := StartClickHouse(t.Context(), ClickHouseConfig{Dir: dir, Progress: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t *testing.T, c *ClickHouse) driver.Conn {
	t.Helper()
	opts, err := clickhouse.ParseDSN(c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func execute(t *testing.T, conn driver.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func count(t *testing.T, conn driver.Conn, query string, args ...any) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// hops makes a table and a roll-up that counts it, both of which remember the
// tokens of their last inserts.
func hops(t *testing.T, conn driver.Conn) {
	t.Helper()
	const remember = " SETTINGS non_replicated_deduplication_window = 100"
	execute(t, conn,
		`CREATE TABLE hops (trace_id UUID, at DateTime64(6), stage LowCardinality(String), n UInt32)
			ENGINE = MergeTree PARTITION BY toDate(at) ORDER BY (trace_id, at)`+remember,
		`CREATE TABLE rollup (stage LowCardinality(String), hops UInt64) ENGINE = SummingMergeTree ORDER BY stage`+remember,
		`CREATE MATERIALIZED VIEW to_rollup TO rollup AS SELECT stage, count() AS hops FROM hops GROUP BY stage`)
}

// insertHops sends a batch under its token, by columns.
func insertHops(ctx context.Context, conn driver.Conn, token string, rows int) error {
	ctx = clickhouse.Context(ctx,
		clickhouse.WithSettings(clickhouse.Settings{
			"async_insert": 0, "insert_deduplication_token": token, "deduplicate_blocks_in_dependent_materialized_views": 1,
		}),
		clickhouse.WithColumnNamesAndTypes([]clickhouse.ColumnNameAndType{
			{Name: "trace_id", Type: "UUID"}, {Name: "at", Type: "DateTime64(6)"}, {Name: "stage", Type: "LowCardinality(String)"}, {Name: "n", Type: "UInt32"},
		}))
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO hops (trace_id, at, stage, n)")
	if err != nil {
		return err
	}
	ids, at, stages, ns := make([]uuid.UUID, rows), make([]time.Time, rows), make([]string, rows), make([]uint32, rows)
	for i := range rows {
		ids[i], at[i], stages[i], ns[i] = uuid.New(), time.Now(), []string{"gate", "delivery"}[i%2], uint32(i)
	}
	err = errors.Join(batch.Column(0).Append(ids), batch.Column(1).Append(at), batch.Column(2).Append(stages), batch.Column(3).Append(ns))
	if err != nil {
		return err
	}
	return batch.Send()
}

func TestClickHouseDriver(t *testing.T) {
	c := startClickHouse(t, t.TempDir())
	defer func() { closed(t, c) }()
	conn := connect(t, c)
	hops(t, conn)

	t.Run("repeated batch", func(t *testing.T) {
		for range 3 {
			if err := insertHops(t.Context(), conn, "waybill.events/0/1-1000", 1000); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, conn, "SELECT count() FROM hops"); n != 1000 {
			t.Errorf("%d rows of 1000 sent three times", n)
		}
		if n := count(t, conn, "SELECT sum(hops) FROM rollup WHERE stage = 'gate'"); n != 500 {
			t.Errorf("the view counted %d of 500", n)
		}
	})
	t.Run("parameters", func(t *testing.T) {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithParameters(clickhouse.Parameters{"stage": "gate", "below": "10"}))
		var n uint64
		err := conn.QueryRow(ctx, "SELECT count() FROM hops WHERE stage = {stage:String} AND n < {below:UInt32}").Scan(&n)
		if err != nil || n != 5 {
			t.Errorf("named: %d, %v", n, err)
		}
		if n := count(t, conn, "SELECT count() FROM hops WHERE stage = ? AND n < ?", "it's", 10); n != 0 {
			t.Errorf("positional: %d", n)
		}
	})
	t.Run("typed exceptions", func(t *testing.T) {
		for query, code := range map[string]int32{"SELECT * FROM nowhere": 60, "SELEKT 1": 62, "SELECT nothing FROM hops": 47} {
			err := conn.Exec(t.Context(), query)
			var exception *clickhouse.Exception
			if !errors.As(err, &exception) || exception.Code != code {
				t.Errorf("%s: %v, want code %d", query, err, code)
			}
		}
	})
	t.Run("types", func(t *testing.T) {
		var (
			list []string
			dict map[string]uint64
			null *string
			at   time.Time
		)
		err := conn.QueryRow(t.Context(), `SELECT ['a', 'b'], map('k', 1::UInt64), NULL::Nullable(String), toDateTime64('2026-11-25 12:00:00.5', 6, 'UTC')`).
			Scan(&list, &dict, &null, &at)
		if err != nil || len(list) != 2 || dict["k"] != 1 || null != nil || at.Nanosecond() != 5e8 {
			t.Errorf("%v %v %v %v, %v", list, dict, null, at, err)
		}
	})
	t.Run("many rows", func(t *testing.T) {
		rows, err := conn.Query(t.Context(), "SELECT number FROM numbers(200000)")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil || n != 200000 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

// TestClickHouseForgetsSettings asks more often than there are connections, so
// that each of them is used again.
func TestClickHouseForgetsSettings(t *testing.T) {
	c := startClickHouse(t, t.TempDir())
	defer func() { closed(t, c) }()
	conn := connect(t, c)
	limit := "SELECT toUInt64(getSetting('max_execution_time'))"
	for range 8 {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 7, "max_threads": 3}))
		var got, threads uint64
		if err := conn.QueryRow(ctx, "SELECT toUInt64(getSetting('max_execution_time')), toUInt64(getSetting('max_threads'))").Scan(&got, &threads); err != nil || got != 7 || threads != 3 {
			t.Fatalf("inside: %d s, %d threads, %v", got, threads, err)
		}
		execute(t, conn, "SET max_execution_time = 0", "USE system")
	}
	for range 8 {
		if got := count(t, conn, limit); got != 60 {
			t.Errorf("afterwards the limit is %d s, want 60", got)
		}
		if n := count(t, conn, "SELECT countIf(currentDatabase() = 'default') FROM system.one"); n != 1 {
			t.Error("the database of another request was kept")
		}
	}
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 0}))
	var got uint64
	if err := conn.QueryRow(ctx, limit).Scan(&got); err != nil || got != 60 {
		t.Errorf("a request lifted the limit to %d s, %v", got, err)
	}
}

func TestClickHouseEndsLongQueries(t *testing.T) {
	c := startClickHouse(t, t.TempDir())
	defer func() { closed(t, c) }()
	conn := connect(t, c)
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": 1}))
	long := make(chan error, 1)
	go func() { long <- conn.Exec(ctx, "SELECT count() FROM numbers(1000000000000) FORMAT Null") }()
	// Others go on meanwhile.
	if n := count(t, conn, "SELECT count() FROM numbers(10)"); n != 10 {
		t.Errorf("beside it: %d", n)
	}
	var exception *clickhouse.Exception
	if err := <-long; !errors.As(err, &exception) || exception.Code != 159 {
		t.Errorf("long query: %v, want code 159", err)
	}
}

// TestClickHouseCutsQueries: one that runs on after the end was asked for is cut
// off, and said; the engine has ended well all the same.
func TestClickHouseCutsQueries(t *testing.T) {
	dir := t.TempDir()
	c := startClickHouse(t, dir)
	conn := connect(t, c)
	hops(t, conn)
	if err := insertHops(t.Context(), conn, "batch", 100); err != nil {
		t.Fatal(err)
	}
	const long = "SELECT count() FROM numbers(1000000000000) FORMAT Null"
	cut := make(chan error, 1)
	go func() { cut <- conn.Exec(t.Context(), long) }()
	const running = "SELECT count() FROM system.processes WHERE query LIKE '%1000000000000%' AND query NOT LIKE '%processes%'"
	for count(t, conn, running) == 0 {
		select {
		case err := <-cut:
			t.Fatalf("the long query ended at once: %v", err)
		default:
		}
	}
	closed(t, c)
	if c.child.err != nil || !strings.Contains(c.child.tail.lastWords(), "queries cut while draining") {
		t.Errorf("it ended with %v and said %q", c.child.err, c.child.tail.lastWords())
	}
	if err := <-cut; err == nil {
		t.Error("a query that was cut off has succeeded")
	}
	c = startClickHouse(t, dir)
	defer func() { closed(t, c) }()
	if n := count(t, connect(t, c), "SELECT count() FROM hops"); n != 100 {
		t.Errorf("%d rows of 100", n)
	}
}

func TestClickHouseKill(t *testing.T) {
	dir := t.TempDir()
	c := startClickHouse(t, dir)
	conn := connect(t, c)
	hops(t, conn)
	var acked int
	killed := make(chan struct{})
	var failed error
	for i := 0; failed == nil; i++ {
		if failed = insertHops(t.Context(), conn, fmt.Sprint("batch ", i), 100); failed == nil {
			acked++
		}
		if i == 20 {
			go func() { _ = c.child.cmd.Process.Kill(); close(killed) }()
		}
	}
	<-killed
	<-c.Done()
	closed(t, c)

	c = startClickHouse(t, dir)
	defer func() { closed(t, c) }()
	conn = connect(t, c)
	if err := insertHops(t.Context(), conn, fmt.Sprint("batch ", acked), 100); err != nil { // the one in doubt
		t.Fatal(err)
	}
	want := uint64(100 * (acked + 1))
	if n := count(t, conn, "SELECT count() FROM hops"); n != want {
		t.Errorf("%d rows, want %d", n, want)
	}
	if n := count(t, conn, "SELECT sum(hops) FROM rollup"); n != want {
		t.Errorf("the view counted %d, want %d", n, want)
	}
}

func TestClickHouseInsertsConcurrently(t *testing.T) {
	c := startClickHouse(t, t.TempDir())
	defer func() { closed(t, c) }()
	hops(t, connect(t, c))
	var wg sync.WaitGroup
	for w := range 3 {
		conn := connect(t, c)
		wg.Go(func() {
			for i := range 5 {
				if err := insertHops(t.Context(), conn, fmt.Sprint(w, "/", i), 100); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, connect(t, c), "SELECT count() FROM hops"); n != 1500 {
		t.Errorf("%d rows of 1500", n)
	}
}

func TestClickHouseGoose(t *testing.T) {
	c := startClickHouse(t, t.TempDir())
	defer func() { closed(t, c) }()
	opts, err := clickhouse.ParseDSN(c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	db := clickhouse.OpenDB(opts)
	defer func() { _ = db.Close() }()
	migrations := fstest.MapFS{
		"001_one.sql": {Data: []byte("-- +goose Up\nCREATE TABLE one (n UInt32) ENGINE = MergeTree ORDER BY n;\nINSERT INTO one VALUES (1);\n-- +goose Down\nDROP TABLE one;\n")},
		"002_two.sql": {Data: []byte("-- +goose Up\nALTER TABLE one ADD COLUMN m String;\n-- +goose Down\nALTER TABLE one DROP COLUMN m;\n")},
	}
	provider, err := goose.NewProvider(goose.DialectClickHouse, db, migrations)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if version, err := provider.GetDBVersion(t.Context()); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestClickHouseRefuses(t *testing.T) {
	dir := t.TempDir()
	c := startClickHouse(t, dir)
	if _, err := StartClickHouse(t.Context(), ClickHouseConfig{Dir: dir}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second opener: %v", err)
	}
	res, err := http.Post("http://"+c.Addr()+"/", "text/plain", strings.NewReader("SELECT 1"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusForbidden || res.Header.Get("X-ClickHouse-Exception-Code") != "516" {
		t.Errorf("without a password: %s, code %s", res.Status, res.Header.Get("X-ClickHouse-Exception-Code"))
	}
	http.DefaultClient.CloseIdleConnections()
	closed(t, c)

	if err := (marker{"clickhouse", "25.1"}).write(dir); err != nil {
		t.Fatal(err)
	}
	_, err = StartClickHouse(t.Context(), ClickHouseConfig{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "clickhouse 25.1, this is clickhouse 26.7") {
		t.Errorf("other version: %v", err)
	}
	t.Setenv(libraryVariable, filepath.Join(dir, "nothing.so"))
	if _, err = StartClickHouse(t.Context(), ClickHouseConfig{Dir: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no library: %v", err)
	}
	t.Setenv(childVariable, clickhouseName)
	if _, err = StartClickHouse(t.Context(), ClickHouseConfig{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "ChildMain") {
		t.Errorf("a child without ChildMain: %v", err)
	}
}

func TestServeKafkaUntilEOF(t *testing.T) {
	stdin, end := io.Pipe()
	address, out := io.Pipe()
	served := make(chan error, 1)
	dir := t.TempDir()
	go func() { served <- ServeKafka(context.Background(), dir, "", stdin, out) }()
	c := kafkaClient(t, []string{readLine(t, address)})
	createTopic(t, c, "t", nil)
	c.Close()
	closed(t, end)
	if err := <-served; err != nil {
		t.Error(err)
	}
}
