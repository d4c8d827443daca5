package console_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	_ "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"waybill/console"
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

// desk is a console over engines and a projector; events go into the log.
type desk struct {
	t        *testing.T
	appender *eventlog.Appender
	server   *httptest.Server
	now      int64 // time of the next event, microseconds
	engine   *engine.ClickHouse
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, now: time.Now().Add(-time.Minute).UnixMicro()}
	var err error
	d.engine, err = engine.StartClickHouse(t.Context(), engine.ClickHouseConfig{Dir: t.TempDir()})
	d.must(err)
	t.Cleanup(func() { _ = d.engine.Close() })
	db, err := sql.Open("clickhouse", d.engine.DSN())
	d.must(err)
	d.must(migrations.ClickHouse(t.Context(), db))
	d.must(db.Close())
	d.project()
	c, err := console.New(console.Config{ClickHouse: d.engine.DSN()})
	d.must(err)
	d.server = httptest.NewServer(c.Handler())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	<-c.Ready()
	t.Cleanup(func() {
		d.server.Close()
		cancel()
		d.must(<-ended)
	})
	return d
}

func (d *desk) project() {
	d.t.Helper()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: d.t.TempDir()})
	d.must(err)
	d.t.Cleanup(func() { d.must(kafka.Close()) })
	log, err := eventlog.Open(eventlog.Config{Brokers: kafka.Addrs(), Node: "test"})
	d.must(err)
	d.t.Cleanup(log.Close)
	d.must(log.CreateTopics(d.t.Context(), append(eventlog.Specs(1, 1, -1), eventlog.AppSpecs("freight", 1, -1)...)))
	d.appender, err = log.NewAppender(eventlog.AppenderConfig{})
	d.must(err)
	d.t.Cleanup(d.appender.Close)
	p, err := hop.New(hop.Config{Log: log, DSN: d.engine.DSN(), Flush: 10 * time.Millisecond, Fetch: eventlog.Fetch{MaxWait: 10 * time.Millisecond}})
	d.must(err)
	ctx, cancel := context.WithCancel(d.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		d.must(<-ended)
	})
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// say appends an event a millisecond after the one before and returns its
// position.
func (d *desk) say(kind schemas.Kind, trace schemas.ID, body func(*schemas.Event)) uint64 {
	d.t.Helper()
	d.now += 1000
	e := &schemas.Event{Kind: kind, TraceId: trace[:], App: "freight", User: "driver-7", Time: d.now, Node: "gate-2@h"}
	body(e)
	value, err := e.MarshalVT()
	d.must(err)
	a, err := d.appender.AppendWait(d.t.Context(), eventlog.Record{
		Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User), Value: value, Urgent: true,
	})
	d.must(err)
	return uint64(a.Position)
}

func on(gate uint32, number uint64) func(*schemas.Event) {
	return func(e *schemas.Event) {
		e.Device = "phone"
		e.SetConn(schemas.ConnID{Gate: gate, Incarnation: 17, Number: number})
	}
}

// tunnel is the life of a push that survives a reconnect.
func (d *desk) tunnel(trace, push schemas.ID) {
	none, first, second := schemas.ID{}, on(2, 5), on(1, 9)
	d.say(schemas.Kind_KIND_CONNECTED, none, func(e *schemas.Event) { first(e); e.Connected = &schemas.Connected{Login: true} })
	at := d.say(schemas.Kind_KIND_PUSHED, trace, func(e *schemas.Event) {
		e.Node, e.Pushed = "ingest-1@h", &schemas.Pushed{PushId: push[:], Family: 7, Body: []byte("hi"), Ttl: 60_000, Label: "offer"}
	})
	accepted := d.now
	sent := func(attempt uint32) *schemas.Sent {
		return &schemas.Sent{Position: at, PushId: push[:], Attempt: attempt, Dispatched: d.now - 500}
	}
	d.say(schemas.Kind_KIND_SENT, trace, func(e *schemas.Event) { first(e); e.Sent = sent(1) })
	d.say(schemas.Kind_KIND_DISCONNECTED, none, func(e *schemas.Event) {
		first(e)
		e.Disconnected = &schemas.Disconnected{Reason: schemas.Reason_REASON_IO_ERROR}
	})
	d.say(schemas.Kind_KIND_CONNECTED, none, func(e *schemas.Event) { second(e); e.Connected = &schemas.Connected{} })
	d.say(schemas.Kind_KIND_SENT, trace, func(e *schemas.Event) { second(e); e.Sent = sent(2) })
	d.say(schemas.Kind_KIND_ACKED, none, func(e *schemas.Event) { second(e); e.Acked = &schemas.Acked{Cursor: at} })
	d.say(schemas.Kind_KIND_OUTCOME, trace, func(e *schemas.Event) {
		second(e)
		e.Node = "delivery-1@h"
		e.Outcome = &schemas.Outcome{
			Position: at, PushId: push[:], Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Attempt: 2, Whole: true,
			Label: "offer", Family: 7, Platform: "ios",
			Steps: &schemas.Steps{Accepted: accepted, Dispatched: accepted + 500, Sent: accepted + 1000, Delivered: d.now - 500},
		}
	})
}

// get asks until the answer has what is wanted: rows come when they come.
func (d *desk) get(path, accept string, enough func(status int, body string) bool) (int, string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		status, body := d.once(ctx, path, accept)
		if enough == nil || enough(status, body) {
			return status, body
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			d.t.Fatalf("GET %s: %d %s", path, status, body)
		}
	}
}

func (d *desk) once(ctx context.Context, path, accept string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.server.URL+path, http.NoBody)
	d.must(err)
	r.Header.Set("Accept", accept)
	response, err := d.server.Client().Do(r)
	d.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	d.must(err)
	return response.StatusCode, string(body)
}

func has(words ...string) func(int, string) bool {
	return func(_ int, body string) bool {
		for _, w := range words {
			if !strings.Contains(body, w) {
				return false
			}
		}
		return true
	}
}

func TestTraceOfATunnel(t *testing.T) {
	d := newDesk(t)
	trace, push := schemas.NewID(time.Now()), schemas.NamedID("freight", "driver-7", "p")
	d.tunnel(trace, push)
	_, body := d.get("/v1/traces/"+trace.String(), "application/json", has(`"state":"delivered"`))
	var got console.Trace
	d.must(json.Unmarshal([]byte(body), &got))
	kinds := []string{}
	for _, l := range got.Messages[0].Hops {
		kinds = append(kinds, l.Kind)
	}
	want := []string{"pushed", "dispatched", "sent", "disconnected", "connected (resume)", "dispatched", "sent", "acked", "outcome"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("hops (-want +got):\n%s", diff)
	}
	if want := "delivered to device phone after 2 attempts in 5.5 ms"; got.Verdict != want {
		t.Errorf("verdict %q, want %q", got.Verdict, want)
	}
	if _, text := d.get("/v1/traces/"+trace.String(), "text/plain", nil); text != got.Text() {
		t.Errorf("the terminal gets\n%s, want\n%s", text, got.Text())
	}
	if _, byPush := d.get("/v1/traces/"+push.String(), "application/json", nil); byPush != body {
		t.Errorf("by push id: %s", byPush)
	}
	_, page := d.get("/traces/"+trace.String(), "text/html", nil)
	for _, want := range []string{"delivered to device phone", "The connection broke", "attempt 2", "g1.17.9"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
}

func TestFunnelAndLists(t *testing.T) {
	d := newDesk(t)
	d.tunnel(schemas.NewID(time.Now()), schemas.NewID(time.Now()))
	lost := d.say(schemas.Kind_KIND_PUSHED, schemas.NewID(time.Now()), func(e *schemas.Event) { e.Pushed = &schemas.Pushed{Label: "price"} })
	d.say(schemas.Kind_KIND_OUTCOME, schemas.NewID(time.Now()), func(e *schemas.Event) {
		e.Outcome = &schemas.Outcome{Position: lost, Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_EXPIRED, Label: "price", Steps: &schemas.Steps{Accepted: d.now - 1000}}
	})
	d.say(schemas.Kind_KIND_PUSHED, schemas.NewID(time.Now()), func(e *schemas.Event) { e.Pushed = &schemas.Pushed{Label: "price"} })
	_, body := d.get("/v1/funnel?app=freight&every=5m", "application/json", has(`"accepted":3,"dispatched":1,"sent":1,"delivered":1,"opened":0,"in_flight":1`))
	var f console.Funnel
	d.must(json.Unmarshal([]byte(body), &f))
	ends := []console.Ending{
		{Class: "delivered", Reason: "acked", Explained: "The device acknowledged it.", Count: 1},
		{Class: "lost", Reason: "expired", Explained: "Its ttl passed before it could be sent.", Count: 1},
	}
	if diff := cmp.Diff(ends, f.Endings); diff != "" {
		t.Errorf("endings (-want +got):\n%s", diff)
	}
	for path, want := range map[string]string{
		"/":                             "Accepted last",
		"/funnel":                       "Its ttl passed before it could be sent.",
		"/pushes?user=driver-7":         "in flight",
		"/pushes?label=price":           "expired",
		"/search?q=driver-7":            "Pushes to driver-7",
		"/v1/pushes?user=driver-7":      `"label":"offer"`,
		"/style.css":                    ".verdict",
		"/funnel?label=nobody&every=1h": "No push was accepted",
	} {
		if status, body := d.get(path, "*/*", nil); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s: %d, want %q in\n%s", path, status, want, body)
		}
	}
}

func TestThreeKindsOfNothing(t *testing.T) {
	d := newDesk(t)
	d.tunnel(schemas.NewID(time.Now()), schemas.NewID(time.Now()))
	d.get("/v1/funnel", "application/json", has(`"delivered":1`))
	old := func(age time.Duration) string { return schemas.NewID(time.Now().Add(-age)).String() }
	for _, test := range []struct {
		id, reason string
		status     int
	}{
		{schemas.NamedID("a", "b", "c").String(), console.Unknown, http.StatusNotFound},
		{old(time.Hour), console.Unknown, http.StatusNotFound},
		{old(31 * 24 * time.Hour), console.TooOld, http.StatusGone},
		{old(0), console.NotYet, http.StatusNotFound},
		{"nonsense", "bad_request", http.StatusBadRequest},
	} {
		status, body := d.get("/v1/traces/"+test.id, "application/json", nil)
		if status != test.status || !strings.Contains(body, `"reason":"`+test.reason+`"`) {
			t.Errorf("%s: %d %s, want %d %s", test.id, status, body, test.status, test.reason)
		}
		if page, _ := d.get("/traces/"+test.id, "text/html", nil); page != test.status {
			t.Errorf("the page of %s: %d, want %d", test.id, page, test.status)
		}
	}
}

func TestBadQuestionsNameWhatIsAllowed(t *testing.T) {
	d := newDesk(t)
	for query, want := range map[string]string{
		"lable=x":                       `there is no parameter \"lable\"`,
		"from=yesterday":                "must be a time such as",
		"every=10s":                     "whole minutes",
		"every=1m&from=2020-01-01":      "more than 2000 rows",
		"from=2026-01-02&to=2026-01-01": "from must be before to",
	} {
		status, body := d.get("/v1/funnel?"+query, "application/json", nil)
		if status != http.StatusBadRequest || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s, want 400 and %q", query, status, body, want)
		}
	}
}

func TestClickHouseAway(t *testing.T) {
	d := newDesk(t)
	d.must(d.engine.Close())
	for _, path := range []string{"/v1/traces/" + schemas.NewID(time.Now()).String(), "/v1/funnel", "/", "/funnel"} {
		status, body := d.get(path, "application/json", nil)
		if status != http.StatusServiceUnavailable || !strings.Contains(body, "ClickHouse is away") {
			t.Errorf("GET %s: %d %s, want 503 in plain words", path, status, body)
		}
	}
}
