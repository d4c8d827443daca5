package hop

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/migrations"
	"waybill/schemas"
)

// TestBlocksAreRead by ClickHouse, whatever the number of different words: keys
// have one, two or four bytes.
func TestBlocksAreRead(t *testing.T) {
	w, db := newTestWriter(t)
	total := 0
	for i, words := range []int{1, 255, 256, 65_535, 65_536} {
		r := rows{hops: make([]hopRow, words+3)}
		for j := range r.hops {
			r.hops[j] = hopRow{trace: schemas.ID{byte(i), 2: 7, 15: 9}, at: time.Now().UnixMicro(), node: fmt.Sprint(j % words), kind: "pushed", position: uint64(j)}
		}
		total += len(r.hops)
		var f flush
		f.add(&r)
		for range 2 { // the second one is dropped
			if err := w.try(t.Context(), token{byte(i)}, &f); err != nil {
				t.Fatal(err)
			}
		}
		var got int
		query := fmt.Sprintf("SELECT uniqExact(node) FROM hops WHERE trace_id = '%02x000700-0000-0000-0000-000000000009' AND node = toString(position %% %d)", i, words)
		if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != words {
			t.Errorf("%d different words came as %d, %v", words, got, err)
		}
	}
	var got int
	if err := db.QueryRowContext(t.Context(), "SELECT count() FROM hops").Scan(&got); err != nil || got != total {
		t.Errorf("%d rows, %v; want %d", got, err, total)
	}
}

func newTestWriter(t *testing.T) (*writer, *sql.DB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	clickhouse, err := engine.StartClickHouse(ctx, engine.ClickHouseConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = clickhouse.Close() })
	db, err := sql.Open("clickhouse", clickhouse.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := migrations.ClickHouse(ctx, db); err != nil {
		t.Fatal(err)
	}
	to, err := openTarget(clickhouse.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.close() })
	return newWriter(to), db
}

// TestARefusalIsAnError, also one that ClickHouse gives after its 200.
func TestARefusalIsAnError(t *testing.T) {
	answer := func(w http.ResponseWriter) { w.WriteHeader(http.StatusOK) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, key := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key"); user != "u" || key != "p" || r.URL.Query().Get("database") != "d" {
			t.Errorf("user %q, key %q, database %q", user, key, r.URL.Query().Get("database"))
		}
		answer(w)
	}))
	defer server.Close()
	to, err := openTarget("http://u:p@" + strings.TrimPrefix(server.URL, "http://") + "/d")
	if err != nil {
		t.Fatal(err)
	}
	defer to.close()
	insert := func() error { return to.http.insert(t.Context(), "INSERT INTO hop_rows (a)", nil, []byte{1}) }
	if err := insert(); err != nil {
		t.Error(err)
	}
	answer = func(w http.ResponseWriter) { w.Header().Set("X-ClickHouse-Exception-Code", "252") }
	if err := insert(); err == nil {
		t.Error("no error for an exception")
	}
	answer = func(w http.ResponseWriter) {
		http.Error(w, "Code: 60. DB::Exception: no such table", http.StatusNotFound)
	}
	if err := insert(); err == nil || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("%v does not say why", err)
	}
}
