package outcomes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// world is a broker with one partition of events, who appends to it, and what
// app-servers read.
type world struct {
	t        *testing.T
	addrs    []string
	log      *eventlog.Log
	faults   *eventlog.Faults
	appender *eventlog.Appender
	apps     *wanted
	metrics  *metric.ManualReader // of the feeds
	meter    otelmetric.Meter
}

// wanted are the apps that are told.
type wanted struct {
	mu      sync.Mutex
	since   map[string]int64
	changed chan struct{}
}

func (w *wanted) get() (map[string]int64, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since, w.changed
}

func (w *wanted) set(since map[string]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.since, w.changed = since, make(chan struct{})
}

func newWorld(t *testing.T) *world {
	t.Helper()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Close() })
	w := &world{t: t, addrs: kafka.Addrs(), faults: &eventlog.Faults{}, apps: &wanted{changed: make(chan struct{})}, metrics: metric.NewManualReader()}
	w.log = w.open(nil)
	w.meter = metric.NewMeterProvider(metric.WithReader(w.metrics)).Meter("test")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	specs := append(eventlog.Specs(1, 2, 1), eventlog.AppSpecs("freight", 1, 1)...)
	if err := w.log.CreateTopics(ctx, append(specs, eventlog.AppSpecs("taxi", 1, 1)...)); err != nil {
		t.Fatal(err)
	}
	if w.appender, err = w.log.NewAppender(eventlog.AppenderConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.appender.Close)
	return w
}

func (w *world) open(faults *eventlog.Faults) *eventlog.Log {
	w.t.Helper()
	l, err := eventlog.Open(eventlog.Config{Brokers: w.addrs, Node: "test", Faults: faults})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Close)
	return l
}

// feed runs one, on its own way to the log, until stop or the end of the test.
func (w *world) feed() (f *Feed, stop func()) {
	w.t.Helper()
	f, err := New(Config{Log: w.open(w.faults), Apps: w.apps.get, Session: 6 * time.Second, Meter: w.meter})
	if err != nil {
		w.t.Fatal(err)
	}
	return f, w.run(f.Run)
}

// run runs f until the returned function is called, or the test ends.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(ctx); err != nil && !errors.Is(err, eventlog.ErrLost) {
			w.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	w.t.Cleanup(stop)
	return stop
}

// add appends an event and returns its position.
func (w *world) add(e *schemas.Event) schemas.Position {
	w.t.Helper()
	return w.addTo(eventlog.EventsTopic, e)
}

func (w *world) addTo(topic string, e *schemas.Event) schemas.Position {
	w.t.Helper()
	value, err := e.MarshalVT()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	at, err := w.appender.AppendWait(ctx, eventlog.Record{
		Topic: topic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User), Value: value,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return at.Position
}

// claim begins a term.
func (w *world) claim() uint64 {
	return uint64(w.add(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, App: "a", User: "u", Claimed: &schemas.Claimed{}}))
}

// end ends the nth push of a user of the app.
func (w *world) end(app, user string, n int, term uint64) schemas.Position {
	return w.add(ended(app, user, n, term))
}

func ended(app, user string, n int, term uint64) *schemas.Event {
	id := schemas.NewID(time.Now())
	return &schemas.Event{
		Kind: schemas.Kind_KIND_OUTCOME, App: app, User: user, Term: term, TraceId: id[:],
		Outcome: &schemas.Outcome{Position: uint64(n), PushId: id[:], Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_EXPIRED},
	}
}

// record is one as an app-server reads it.
type record struct {
	Type     string
	Position uint64
	User     string
	Push     int `json:"push_position"`
	Reason   string
	header   string
}

func (r record) String() string { return fmt.Sprintf("%s/%d", r.User, r.Push) }

// reader is an app-server.
type reader struct {
	w *world
	c chan record
}

func (w *world) reader(app string) *reader {
	r := &reader{w, make(chan record, 10_000)}
	w.run(func(ctx context.Context) error {
		return w.log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.OutcomesTopic(app), Serve: r.serve})
	})
	return r
}

func (r *reader) serve(ctx context.Context, p *eventlog.Partition) error {
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return err
	}
	for {
		b, err := p.Next(ctx)
		if err != nil {
			return nil
		}
		for _, e := range b.Entries {
			var x record
			if err := json.Unmarshal(e.Value, &x); err != nil {
				return err
			}
			for _, h := range e.Headers {
				if h.Key == headerPosition {
					x.header = string(h.Value)
				}
			}
			r.c <- x
		}
	}
}

// next n records.
func (r *reader) next(n int) (all []record) {
	r.w.t.Helper()
	for late := time.After(patience); len(all) < n; {
		select {
		case x := <-r.c:
			all = append(all, x)
		case <-late:
			r.w.t.Fatalf("%d records are missing after %v", n-len(all), all)
		}
	}
	return all
}

// expect the next records, as user/push.
func (r *reader) expect(want ...string) {
	r.w.t.Helper()
	for i, x := range r.next(len(want)) {
		if x.String() != want[i] {
			r.w.t.Fatalf("record %d is %v, want %v", i, x, want[i])
		}
	}
}
