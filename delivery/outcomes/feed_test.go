package outcomes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Told is what ends a push as a whole and what says that nobody is there, of the
// apps that want it, in the log's order; nothing twice, and nothing that a worker
// said whose term was over.
func TestFeed(t *testing.T) {
	w := newWorld(t)
	w.apps.set(map[string]int64{"freight": 1})
	freight, taxi := w.reader("freight"), w.reader("taxi")
	old := w.claim()
	w.end("freight", "anna", 1, old)
	term := w.claim()
	w.end("freight", "anna", 2, old) // too late
	at := w.end("freight", "anna", 3, term)
	w.end("taxi", "anna", 4, term)
	w.add(&schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, App: "freight", User: "anna", Device: "phone", Term: term, Outcome: &schemas.Outcome{Position: 5}})
	w.add(&schemas.Event{Kind: schemas.Kind_KIND_UNREACHED, App: "freight", User: "bert", Term: term, Unreached: &schemas.Unreached{Position: 6}})
	w.feed()
	got := freight.next(3)
	if got[0].String() != "anna/1" || got[1].String() != "anna/3" || got[2].String() != "bert/6" {
		t.Fatal(got)
	}
	if got[1].Position != uint64(at) || got[1].header != strconv.Itoa(int(at)) || got[1].Reason != "expired" || got[2].Type != "nobody_connected" {
		t.Errorf("%+v, at %d", got, at)
	}
	w.end("freight", "anna", 7, term)
	freight.expect("anna/7")
	if len(taxi.c) > 0 {
		t.Errorf("an app that wants nothing is told %v", <-taxi.c)
	}
}

// A repeat in the log is told once, also when its first was told by another feed.
func TestFeedLeavesRepeatsOut(t *testing.T) {
	w := newWorld(t)
	w.apps.set(map[string]int64{"freight": 1})
	freight := w.reader("freight")
	twice := &schemas.Event{
		Kind: schemas.Kind_KIND_OUTCOME, App: "freight", User: "anna", Term: 1, Origin: 7, Serial: 1,
		Outcome: &schemas.Outcome{Position: 1, Class: schemas.Class_CLASS_LOST},
	}
	raw := func() {
		value, err := twice.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, err := w.appender.AppendWait(ctx, eventlog.Record{
			Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key("freight", "anna"), Value: value, Stamp: eventlog.NoStamp,
		}); err != nil {
			t.Fatal(err)
		}
	}
	raw()
	raw()
	_, stop := w.feed()
	freight.expect("anna/1")
	stop()
	raw()
	w.end("freight", "anna", 2, 1)
	w.feed()
	freight.expect("anna/2")
}

// What one feed has committed the next one does not tell again, and what it has
// not it does.
func TestFeedGoesOn(t *testing.T) {
	w := newWorld(t)
	w.apps.set(map[string]int64{"freight": 1})
	freight := w.reader("freight")
	w.end("freight", "anna", 1, 1)
	_, stop := w.feed()
	freight.expect("anna/1")
	stop()
	w.end("freight", "anna", 2, 1)
	_, stop = w.feed()
	freight.expect("anna/2")
	// What does not reach the topic is not committed.
	w.faults.Fail(eventlog.OutcomesTopic("freight"), eventlog.AllPartitions, errors.New("planted"))
	w.end("freight", "anna", 3, 1)
	stop()
	w.faults.Clear()
	w.feed()
	freight.expect("anna/3")
}

// One app's topic is away: the other's outcomes are told, and its own when it is
// back, in order and complete.
func TestFeedOneTopicAway(t *testing.T) {
	w := newWorld(t)
	w.apps.set(map[string]int64{"freight": 1, "taxi": 1})
	freight, taxi := w.reader("freight"), w.reader("taxi")
	w.feed()
	w.end("freight", "anna", 1, 1)
	freight.expect("anna/1")
	w.faults.Fail(eventlog.OutcomesTopic("freight"), eventlog.AllPartitions, errors.New("planted"))
	var want []string
	for n := range 20 {
		w.end("freight", "anna", n+2, 1)
		want = append(want, fmt.Sprint("anna/", n+2))
		w.end("taxi", "bert", n+1, 1)
		taxi.expect(fmt.Sprint("bert/", n+1))
	}
	if len(freight.c) > 0 {
		t.Fatal("the topic was away")
	}
	w.faults.Clear()
	freight.expect(want...)
	w.end("freight", "anna", 99, 1)
	freight.expect("anna/99")
}

// Outcomes are told from the time on that the app's record names; while nobody
// wants any, nothing is read.
func TestFeedSince(t *testing.T) {
	w := newWorld(t)
	freight, taxi := w.reader("freight"), w.reader("taxi")
	f, _ := w.feed()
	w.end("freight", "anna", 1, 1)
	if err := f.Standing(); err != nil {
		t.Errorf("without apps it is about something: %v", err)
	}
	at := w.later(w.end("freight", "anna", 2, 1))
	w.end("freight", "anna", 3, 1)
	w.apps.set(map[string]int64{"freight": at})
	freight.expect("anna/3")
	w.apps.set(map[string]int64{"freight": at, "taxi": at})
	w.end("taxi", "bert", 4, 1)
	taxi.expect("bert/4")
	w.apps.set(nil)
	at = w.later(w.end("freight", "anna", 5, 1))
	w.apps.set(map[string]int64{"freight": at})
	w.end("freight", "anna", 6, 1)
	for { // what was read before it was turned off may be told
		if x := freight.next(1)[0]; x.String() == "anna/6" {
			break
		} else if x.String() != "anna/5" {
			t.Fatal(x)
		}
	}
}

// later is a broker time after that of the record.
func (w *world) later(than schemas.Position) int64 {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	e, err := w.log.Find(ctx, than, schemas.Key("freight", "anna"))
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		id := w.add(&schemas.Event{Kind: schemas.Kind_KIND_TICK, App: "freight", User: "anna", Tick: &schemas.Tick{}})
		tick, err := w.log.Find(ctx, id, schemas.Key("freight", "anna"))
		if err != nil {
			w.t.Fatal(err)
		}
		if tick.Time > e.Time {
			return tick.Time
		}
	}
}

// While too much waits for one app the partition is read no further, and goes on
// when its topic is back.
func TestFeedIsBounded(t *testing.T) {
	w := newWorld(t)
	w.apps.set(map[string]int64{"freight": 1})
	freight := w.reader("freight")
	w.faults.Fail(eventlog.OutcomesTopic("freight"), eventlog.AllPartitions, errors.New("planted"))
	const n = waitingMost + 3000
	value := make(chan error, n)
	for i := range n {
		e := &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, App: "freight", User: "anna", Term: 1,
			Outcome: &schemas.Outcome{Position: uint64(i + 1), Class: schemas.Class_CLASS_LOST}}
		b, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		r := eventlog.Record{Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User), Value: b}
		for w.appender.Append(r, func(_ eventlog.Appended, err error) { value <- err }) != nil {
			value <- <-value // it takes no more at once
		}
	}
	for range n {
		if err := <-value; err != nil {
			t.Fatal(err)
		}
	}
	w.feed()
	w.awaitWaiting(waitingMost)
	w.faults.Clear()
	for i, x := range freight.next(n) {
		if x.Push != i+1 {
			t.Fatalf("record %d is %v", i, x)
		}
	}
}

// awaitWaiting waits until so many records wait, by the meter.
func (w *world) awaitWaiting(least int64) {
	w.t.Helper()
	late, look := time.After(patience), time.NewTicker(tick)
	defer look.Stop()
	for w.waiting() < least {
		select {
		case <-look.C:
		case <-late:
			w.t.Fatalf("%d records wait, want %d", w.waiting(), least)
		}
	}
}

func (w *world) waiting() (n int64) {
	var all metricdata.ResourceMetrics
	if err := w.metrics.Collect(w.t.Context(), &all); err != nil {
		w.t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "waybill.outcomes.waiting" {
				n += sum.DataPoints[0].Value
			}
		}
	}
	return n
}

// What is told of a later epoch comes after all of the former one, up to its
// seals; what stands behind a seal is told by nobody.
func TestFeedEpochs(t *testing.T) {
	w := newWorld(t)
	w.apps.set(map[string]int64{"freight": 1})
	freight := w.reader("freight")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w.end("freight", "anna", 1, 1)
	if err := w.log.Grow(ctx, eventlog.GrowConfig{Partitions: 3, Replication: 1, Ask: time.Millisecond, Gone: time.Second, Wait: patience}); err != nil {
		t.Fatal(err)
	}
	w.end("freight", "anna", 2, 1)
	next := eventlog.EventsOf(1)
	w.addTo(next, ended("freight", "anna", 3, 1<<48))
	w.addTo(next, ended("freight", "bert", 4, 1<<48))
	_, stop := w.feed()
	freight.expect("anna/1")
	if got := fmt.Sprint(freight.next(2)); got != "[anna/3 bert/4]" && got != "[bert/4 anna/3]" {
		t.Errorf("told %s", got)
	}
	stop()
	w.end("freight", "anna", 5, 1) // still behind the seal
	w.addTo(next, ended("freight", "anna", 6, 1<<48))
	w.feed()
	freight.expect("anna/6")
}

// A lane keeps the order of what a topic refuses for a while.
func TestLane(t *testing.T) {
	var took []string
	busy := true
	to := appending(func(r eventlog.Record, done func(eventlog.Appended, error)) error {
		if busy {
			return eventlog.ErrBusy
		}
		took = append(took, string(r.Key))
		done(eventlog.Appended{}, nil)
		return nil
	})
	l, s := &lane{}, newStretch(make(chan struct{}, 1), 0)
	add := func(key string) {
		t.Helper()
		if err := l.add(to, eventlog.Record{Key: []byte(key)}, s); err != nil {
			t.Fatal(err)
		}
	}
	add("1")
	add("2")
	busy = false
	add("3") // waits behind them
	if len(took) != 0 || len(l.parked) != 3 || time.Since(l.waits) > time.Minute {
		t.Fatalf("took %v, %d wait", took, len(l.parked))
	}
	s.close(9, newState())
	if s.over() {
		t.Error("the stretch is over though records of it wait")
	}
	if err := l.retry(to); err != nil || fmt.Sprint(took) != "[1 2 3]" || !s.over() {
		t.Errorf("took %v, %v", took, err)
	}
	to = func(eventlog.Record, func(eventlog.Appended, error)) error { return eventlog.ErrTooLarge }
	if err := l.add(to, eventlog.Record{}, s); !errors.Is(err, eventlog.ErrTooLarge) {
		t.Errorf("%v is no error", err)
	}
}

type appending func(eventlog.Record, func(eventlog.Appended, error)) error

func (f appending) Append(r eventlog.Record, done func(eventlog.Appended, error)) error {
	return f(r, done)
}
