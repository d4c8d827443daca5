package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

func newFacts(t testing.TB, w *world, linger time.Duration) *Facts {
	t.Helper()
	f, err := NewFacts(FactsConfig{Log: w.log, Node: "gate-1@test", Linger: linger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	if err := f.Prepare(w.context(), eventlog.UplinkTopic("freight")); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFactKeepsItsOrder(t *testing.T) {
	w := newWorld(t)
	f := newFacts(t, w, 0)
	at := make(chan schemas.Position, 3)
	e := &schemas.Event{} // used again for each fact
	for i, kind := range []schemas.Kind{schemas.Kind_KIND_CONNECTED, schemas.Kind_KIND_SENT, schemas.Kind_KIND_ACKED} {
		*e = schemas.Event{Kind: kind, App: "freight", User: "u", Device: fmt.Sprint(i)}
		if err := f.Report(e, nil, i == 0, func(p schemas.Position, err error) {
			if err != nil {
				t.Error(err)
			}
			at <- p
		}); err != nil {
			t.Fatal(err)
		}
	}
	for i, got := range w.read(eventlog.EventsTopic, 3) {
		if p := <-at; p != got.Position || got.Event.Device != fmt.Sprint(i) || got.Event.Node != "gate-1@test" || got.Event.Time == 0 {
			t.Errorf("fact %d: told %v, read %v: %+v", i, p, got.Position, got.Event)
		}
	}
}

// A fact that is urgent is in the log though others linger.
func TestUrgentFact(t *testing.T) {
	w := newWorld(t)
	f := newFacts(t, w, time.Minute)
	done := make(chan error, 1)
	e := &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, App: "freight", User: "u"}
	if err := f.Report(e, nil, true, func(_ schemas.Position, err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("it lingers")
	}
}

// An app-server's own Kafka client finds its application's bytes as the value
// and the rest in the headers.
func TestUplink(t *testing.T) {
	w := newWorld(t)
	f := newFacts(t, w, 0)
	trace := schemas.NewID(time.Now())
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_UPLINKED, App: "freight", User: "driver-1", Device: "phone", TraceId: trace[:],
		Uplinked: &schemas.Uplinked{Family: 7, Command: 258, Sequence: 9, Size: 2},
	}
	if err := f.Report(e, []byte("hi"), true, nil); err != nil {
		t.Fatal(err)
	}
	got := w.read(eventlog.UplinkTopic("freight"), 1)[0]
	headers := make(map[string]string)
	for _, h := range got.Headers {
		if h.Key != eventlog.StampHeaderName {
			headers[h.Key] = string(h.Value)
		}
	}
	want := map[string]string{
		"traceparent": "00-" + trace.String() + "-" + trace.String()[16:] + "-01",
		"user":        "driver-1", "device": "phone", "family": "7", "command": "258",
	}
	if diff := cmp.Diff(want, headers); diff != "" {
		t.Error(diff)
	}
	if string(got.Value) != "hi" || string(got.Key) != "freight/driver-1" || got.Event.GetUplinked().GetSequence() != 9 {
		t.Errorf("value %q, key %q, event %+v", got.Value, got.Key, got.Event)
	}
}

func TestReportRefuses(t *testing.T) {
	w := newWorld(t)
	f := newFacts(t, w, 0)
	for _, c := range []struct {
		e    *schemas.Event
		want error
	}{
		{&schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, App: "freight", User: "u"}, ErrNoFact},
		{&schemas.Event{Kind: schemas.Kind_KIND_SENT, User: "u"}, ErrNoFact},
		{&schemas.Event{Kind: schemas.Kind_KIND_SENT, App: "freight"}, ErrNoFact},
		{&schemas.Event{Kind: schemas.Kind_KIND_UPLINKED, App: "nobody", User: "u"}, eventlog.ErrUnknownTopic},
	} {
		err := f.Report(c.e, nil, false, func(schemas.Position, error) { t.Error("done was called") })
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.e, err, c.want)
		}
	}
	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
	if err := f.Report(&schemas.Event{Kind: schemas.Kind_KIND_SENT, App: "freight", User: "u"}, nil, false, nil); !errors.Is(err, eventlog.ErrBusy) {
		t.Errorf("%v, want %v", err, eventlog.ErrBusy)
	}
}

func TestFailureIsJSON(t *testing.T) {
	text := appendFailure(nil, failureOf(&Violation{Element: 0, Field: "\"\x00", Problem: "is <odd>", Allowed: "ü"}))
	var f failure
	if err := json.Unmarshal(text, &f); err != nil || f.Error.Element == nil || *f.Error.Element != 0 || f.Error.Allowed != "ü" {
		t.Errorf("%s: %v", text, err)
	}
}
