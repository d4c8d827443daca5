package hop_test

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/goleak"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/migrations"
	"waybill/projector/hop"
	"waybill/schemas"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	goleak.VerifyTestMain(m)
}

// partitions of the topics in these tests.
const partitions = 2

// bench is a broker, a ClickHouse with its tables, and a way to hop's inserts.
type bench struct {
	t        testing.TB
	log      *eventlog.Log
	appender *eventlog.Appender
	db       *sql.DB
	proxy    *proxy
	dsn      string // without the proxy
}

func newBench(t testing.TB) *bench { return newBenchOf(t, partitions) }

// newBenchOf is a bench whose topics have so many partitions.
func newBenchOf(t testing.TB, partitions int32) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	b := &bench{t: t}
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	b.must(err)
	t.Cleanup(func() { b.must(kafka.Close()) })
	clickhouse, err := engine.StartClickHouse(ctx, engine.ClickHouseConfig{Dir: t.TempDir()})
	b.must(err)
	t.Cleanup(func() { b.must(clickhouse.Close()) })
	b.log, err = eventlog.Open(eventlog.Config{Brokers: kafka.Addrs(), Node: "test"})
	b.must(err)
	t.Cleanup(b.log.Close)
	b.must(b.log.CreateTopics(ctx, append(eventlog.Specs(partitions, 1, -1), eventlog.AppSpecs("freight", partitions, -1)...)))
	b.appender, err = b.log.NewAppender(eventlog.AppenderConfig{})
	b.must(err)
	t.Cleanup(b.appender.Close)
	b.db, err = sql.Open("clickhouse", clickhouse.DSN())
	b.must(err)
	t.Cleanup(func() { b.must(b.db.Close()) })
	b.must(migrations.ClickHouse(ctx, b.db))
	b.dsn = clickhouse.DSN()
	b.proxy = newProxy(t, b.dsn)
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// start runs a projector until the returned function is called.
func (b *bench) start(change func(*hop.Config)) (stop func()) {
	b.t.Helper()
	cfg := hop.Config{Log: b.log, DSN: b.proxy.dsn, Flush: 20 * time.Millisecond, Fetch: eventlog.Fetch{MaxWait: 10 * time.Millisecond}}
	if change != nil {
		change(&cfg)
	}
	p, err := hop.New(cfg)
	b.must(err)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("the projector ended: %v", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// append puts events into the log and returns the position of each.
func (b *bench) append(events ...*schemas.Event) []schemas.Position {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	places := make([]schemas.Position, len(events))
	var all sync.WaitGroup
	for i, e := range events {
		r := eventlog.Record{Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User)}
		value, err := e.MarshalVT()
		b.must(err)
		if r.Value = value; e.Kind == schemas.Kind_KIND_UPLINKED {
			r.Topic, r.Value, r.Stamp = eventlog.UplinkTopic(e.App), []byte("body"), eventlog.StampHeader
			r.Headers = []eventlog.Header{{Key: eventlog.StampHeaderName, Value: value}}
		}
		all.Add(1)
		err = b.appender.Append(r, func(a eventlog.Appended, err error) {
			if err != nil {
				b.t.Errorf("append: %v", err)
			}
			places[i] = a.Position
			all.Done()
		})
		b.must(err)
		if i%1000 == 999 {
			b.must(b.appender.Flush(ctx))
		}
	}
	b.must(b.appender.Flush(ctx))
	all.Wait()
	return places
}

// number is what a query counts.
func (b *bench) number(query string) (n int64) {
	b.t.Helper()
	b.must(b.db.QueryRowContext(b.t.Context(), query).Scan(&n))
	return n
}

// text is what a query says.
func (b *bench) text(query string) (s string) {
	b.t.Helper()
	b.must(b.db.QueryRowContext(b.t.Context(), query).Scan(&s))
	return s
}

// await looks again after each insert until the query counts want.
func (b *bench) await(query string, want int64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	for {
		got := b.number(query)
		if got == want {
			return
		}
		select {
		case <-b.proxy.inserted:
		case <-ctx.Done():
			b.t.Fatalf("%s: %d, want %d", query, got, want)
		}
	}
}

// proxy stands between the projector and ClickHouse.
type proxy struct {
	dsn      string
	inserted chan struct{} // one place: ClickHouse has answered an insert

	mu     sync.Mutex
	fault  func(insert) fault // nil = none
	tokens []string           // as they came
}

type insert struct{ table, token string }

// fault is what becomes of an insert.
type fault int

const (
	passes   fault = iota
	refused        // ClickHouse never sees it
	answered       // ClickHouse takes it, its answer is lost
)

func newProxy(t testing.TB, dsn string) *proxy {
	t.Helper()
	target, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{inserted: make(chan struct{}, 1)}
	// The driver's own credentials pass through: only the address changes.
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", target.Host }}
	transport := &http.Transport{}
	forward.Transport = transport
	forward.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, forward) }))
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	through := *target
	through.Host = strings.TrimPrefix(server.URL, "http://")
	p.dsn = through.String()
	return p
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	token := r.URL.Query().Get("insert_deduplication_token")
	words := strings.Fields(r.URL.Query().Get("query"))
	if len(words) < 3 || words[0] != "INSERT" {
		forward.ServeHTTP(w, r) // a query, or the driver asking for the version
		return
	}
	table := words[2]
	switch p.meet(insert{table, token}) {
	case refused:
		w.WriteHeader(http.StatusBadGateway)
		return
	case answered:
		forward.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	forward.ServeHTTP(w, r)
	select {
	case p.inserted <- struct{}{}:
	default:
	}
}

func (p *proxy) meet(i insert) fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = append(p.tokens, i.token)
	if p.fault == nil {
		return passes
	}
	return p.fault(i)
}

func (p *proxy) set(f func(insert) fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.tokens = f, nil
}

func (p *proxy) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.tokens...)
}
