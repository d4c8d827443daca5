package chdb_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/internal/engine/chdb"
)

func load(t *testing.T) *chdb.Lib {
	t.Helper()
	path := os.Getenv("CHDB_LIB_PATH")
	if path == "" {
		binaries, err := engine.Fetch(t.Context(), func(line string) { t.Log(line) })
		if err != nil {
			t.Fatal(err)
		}
		path = binaries.ClickHouse
	}
	lib, err := chdb.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// An endpoint is a Server and how to ask it.
type endpoint struct {
	server  *chdb.Server
	address string
	served  chan error
}

const maxBody = 1 << 16

func serve(t *testing.T, lib *chdb.Lib) *endpoint {
	t.Helper()
	server, err := chdb.NewServer(lib, chdb.Config{Path: t.TempDir(), Password: "secret", Connections: 2, MaxBody: maxBody, MaxExecution: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &endpoint{server: server, address: "http://" + ln.Addr().String(), served: make(chan error, 1)}
	go func() { e.served <- server.Serve(ln) }()
	return e
}

// ask posts a body under a query string and returns status, exception code and
// answer.
func (e *endpoint) ask(t *testing.T, query url.Values, body string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, e.address+"/?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(chdb.User, "secret")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("X-ClickHouse-Exception-Code"), strings.TrimSpace(string(answer))
}

// TestServer opens the library in this process: one test, since a process has
// one data directory.
func TestServer(t *testing.T) {
	e := serve(t, load(t))
	t.Run("signals", testSignals)
	t.Run("answers", func(t *testing.T) { testAnswers(t, e) })
	t.Run("every connection recovers", func(t *testing.T) { testRecovers(t, e) })
	t.Run("callers", func(t *testing.T) { testCallers(t, e) })
	http.DefaultClient.CloseIdleConnections()
	if err := e.server.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-e.served; err != nil {
		t.Error(err)
	}
}

// testSignals needs the Go runtime's own handler of SIGSEGV, and its signals to
// preempt goroutines.
func testSignals(t *testing.T) {
	for range 100 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("a nil dereference was no panic")
				}
			}()
			var p *int
			*p = 1
		}()
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range 10 {
		runtime.GC()
	}
	close(stop)
	wg.Wait()
}

func testAnswers(t *testing.T, e *endpoint) {
	for _, test := range []struct {
		query        url.Values
		body         string
		status       int
		code, answer string
	}{
		{nil, "SELECT 1", 200, "", "1"},
		{url.Values{"param_x": {"it's"}}, "SELECT {x:String}", 200, "", `it\'s`},
		{nil, "CREATE TABLE t (n UInt32, s String) ENGINE = MergeTree ORDER BY n", 200, "", ""},
		{url.Values{"query": {"INSERT INTO t FORMAT RowBinary"}}, "\x0a\x00\x00\x00\x03\n\r\n", 200, "", ""},
		{nil, "SELECT n, length(s) FROM t", 200, "", "10\t3"},
		{url.Values{"query": {"INSERT INTO t VALUES"}}, "rows", 400, "62", ""},
		{nil, "SELEKT 1", 400, "62", ""},
		{nil, "SELECT * FROM nowhere", 404, "60", ""},
		{url.Values{"database": {"nowhere"}}, "SELECT 1", 404, "81", ""},
		{url.Values{"no_such_setting": {"1"}}, "SELECT 1", 500, "115", ""},
		{url.Values{"compress": {"1"}}, "SELECT 1", 501, "48", ""},
		{nil, "SELECT '" + strings.Repeat("x", maxBody) + "'", 413, "209", ""},
		{url.Values{"max_result_rows": {"1"}}, "SELECT * FROM numbers(10)", 500, "396", ""},
	} {
		status, code, answer := e.ask(t, test.query, test.body)
		if status != test.status || code != test.code || status == 200 && answer != test.answer {
			t.Errorf("%v %.40q: %d, code %q, %q; want %d, %q, %q", test.query, test.body, status, code, answer, test.status, test.code, test.answer)
		}
	}
}

// testRecovers lets every connection fail in every way that leaves settings or a
// database behind.
func testRecovers(t *testing.T, e *endpoint) {
	for range 4 {
		e.ask(t, url.Values{"max_threads": {"1"}, "database": {"system"}}, "SELECT * FROM nowhere")
		e.ask(t, url.Values{"max_threads": {"1"}, "no_such_setting": {"1"}}, "SELECT 1")
	}
	for range 4 {
		_, _, answer := e.ask(t, nil, "SELECT currentDatabase(), getSetting('max_threads') = 1, getSetting('max_execution_time')")
		if answer != "default\tfalse\t10" && answer != "default\t0\t10" {
			t.Errorf("left behind: %q", answer)
		}
	}
}

func testCallers(t *testing.T, e *endpoint) {
	for name, test := range map[string]struct {
		path   string
		header http.Header
		status int
	}{
		"ping":          {"/ping", nil, 200},
		"nobody":        {"/", nil, 403},
		"wrong key":     {"/", http.Header{"X-Clickhouse-User": {chdb.User}, "X-Clickhouse-Key": {"guess"}}, 403},
		"key in header": {"/", http.Header{"X-Clickhouse-User": {chdb.User}, "X-Clickhouse-Key": {"secret"}}, 200},
		"other page":    {"/play", nil, 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, e.address+test.path, bytes.NewReader([]byte("SELECT 1")))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = test.header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != test.status {
			t.Errorf("%s: %s, want %d", name, res.Status, test.status)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := chdb.Load("/nowhere/libchdb.so"); err == nil || !strings.Contains(err.Error(), "load libchdb") {
		t.Errorf("no file: %v", err)
	}
	if _, err := chdb.Load("libc.so.6"); err == nil || !strings.Contains(err.Error(), "chdb_version") {
		t.Errorf("another library: %v", err)
	}
}
