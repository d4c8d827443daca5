package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/control"
	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	cityKey  = "city-0123456789-0123456789-0123456789"
	taxiKey  = "taxi-0123456789-0123456789-0123456789"
	apps     = `{"apps":[{"name":"freight","api_keys":[{"id":"city","key":"` + cityKey + `"}]},{"name":"taxi","api_keys":[{"id":"t","key":"` + taxiKey + `"}]}]}`
	patience = 20 * time.Second
)

// world is a broker, its log and the topics, with one app.
type world struct {
	t      testing.TB
	kafka  *engine.Kafka
	log    *eventlog.Log
	faults *eventlog.Faults
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, faults: &eventlog.Faults{}}
	var err error
	if w.kafka, err = engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.kafka.Close() })
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: w.kafka.Addrs(), Node: "test", Faults: w.faults}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.log.Close)
	ctx := w.context()
	if err := w.log.CreateTopics(ctx, eventlog.Specs(4, 2, 1)); err != nil {
		t.Fatal(err)
	}
	file, err := control.ReadFile(strings.NewReader(apps))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := control.Apply(ctx, w.log, control.Change{Apps: file, Partitions: 4, Replication: 1}); err != nil {
		t.Fatal(err)
	}
	return w
}

// context ends with the test, or when nobody has any patience left.
func (w *world) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	w.t.Cleanup(cancel)
	return ctx
}

// run starts f and waits for its end when the test ends.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f(ctx) }()
	var stopped bool
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("run: %v", err)
		}
	}
	w.t.Cleanup(stop)
	return stop
}

// serve runs a server that is ready.
func (w *world) serve(edit ...func(*Config)) (s *Server, stop func()) {
	w.t.Helper()
	view := control.Open(w.log)
	w.run(view.Run)
	<-view.Ready()
	cfg := Config{Log: w.log, Control: view, Listen: "127.0.0.1:0", Node: "ingest-1@test"}
	for _, f := range edit {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	stop = w.run(s.Run)
	<-s.Ready()
	w.t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return s, stop
}

// read collects n events of a topic, in the order of each partition.
func (w *world) read(topic string, n int) []eventlog.Entry {
	w.t.Helper()
	entries := make(chan eventlog.Entry)
	stop := w.run(func(ctx context.Context) error {
		return w.log.Follow(ctx, eventlog.FollowConfig{Topic: topic, Serve: func(ctx context.Context, p *eventlog.Partition) error {
			if err := p.Start(eventlog.FromStart, nil); err != nil {
				return err
			}
			for {
				batch, err := p.Next(ctx)
				if err != nil {
					return nil
				}
				for _, e := range batch.Entries {
					select {
					case entries <- e:
					case <-ctx.Done():
						return nil
					}
				}
			}
		}})
	})
	defer stop()
	var all []eventlog.Entry
	for len(all) < n {
		select {
		case e := <-entries:
			all = append(all, e)
		case <-time.After(patience):
			w.t.Fatalf("%s: got %d events, want %d", topic, len(all), n)
		}
	}
	return all
}

// answered is what an app-server reads.
type answered struct {
	code    int
	header  http.Header
	Status  string
	TraceID string `json:"trace_id"`
	Retry   int    `json:"retry_after"`
	Pushes  []struct {
		User    string
		PushID  string `json:"push_id"`
		TraceID string `json:"trace_id"`
		Status  string
	}
	Error *problem
}

func (a answered) of(status string) (users []string) {
	for _, p := range a.Pushes {
		if p.Status == status {
			users = append(users, p.User)
		}
	}
	return users
}

// post makes one call and reads its answer, which is one object.
func post(t testing.TB, s *Server, body string, headers ...string) answered {
	t.Helper()
	resp, text := call(t, s, body, headers...)
	a := answered{code: resp.StatusCode, header: resp.Header}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	return a
}

func call(t testing.TB, s *Server, body string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	return callAt(t, s, "/v1/pushes", body, headers...)
}

func callAt(t testing.TB, s *Server, path, body string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+cityKey)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, bytes.TrimSpace(text)
}

func id(t testing.TB, hex string) schemas.ID {
	t.Helper()
	id, err := schemas.ParseID(hex)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// newEmptyLog has no topics.
func newEmptyLog(t testing.TB) *eventlog.Log {
	t.Helper()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Close() })
	log, err := eventlog.Open(eventlog.Config{Brokers: kafka.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(log.Close)
	return log
}
