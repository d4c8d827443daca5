package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/schemas"
)

func TestSerialsRiseInLogOrder(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{Linger: time.Millisecond})
	const writers, each = 8, 300
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := event(fmt.Sprint("w", w), i+1)
				r.Urgent = i%50 == 0
				if err := a.Append(r, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	total := 0
	for partition := range int32(2) {
		end, err := l.span(within(t), EventsTopic, partition)
		if err != nil {
			t.Fatal(err)
		}
		total += checkOrder(t, follow(t, l, EventsTopic, partition, FromStart, nil).offset(end.end), a)
	}
	if total != writers*each {
		t.Errorf("read %d entries, want %d", total, writers*each)
	}
}

func checkOrder(t *testing.T, b Batch, a *Appender) int {
	t.Helper()
	last := make(map[string]uint64)
	for i, e := range b.Entries {
		if e.Event.Origin != a.Origin() || e.Event.Serial != uint64(i+1) {
			t.Fatalf("entry %d has origin %x, serial %d", i, e.Event.Origin, e.Event.Serial)
		}
		if n := e.Event.Acked.Cursor; n != last[e.Event.User]+1 {
			t.Fatalf("%s: %d came after %d", e.Event.User, n, last[e.Event.User])
		}
		last[strings.Clone(e.Event.User)] = e.Event.Acked.Cursor
		if e.Position != schemas.At(0, e.Offset) || e.Time == 0 {
			t.Fatalf("entry %d has position %v, time %d", i, e.Position, e.Time)
		}
	}
	return len(b.Entries)
}

func TestAppendedSaysWhere(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	user := userOf(1)
	must(t, a, event(user, 1))
	at := must(t, a, event(user, 2))
	want := Appended{Topic: EventsTopic, Partition: 1, Position: schemas.At(0, 1)}
	if at != want {
		t.Errorf("appended %+v, want %+v", at, want)
	}
}

// A full partition refuses, and its neighbour does not notice.
func TestBoundOfOnePartition(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  AppenderConfig
		want refusal
	}{
		{"records", AppenderConfig{MaxPerPartition: 3}, refusedFull},
		{"bytes", AppenderConfig{MaxBytesPerPartition: 3 * sizeOf(ptr(event(userOf(0), 1)))}, refusedBytes},
	} {
		t.Run(test.name, func(t *testing.T) {
			faults := new(Faults)
			l := startBroker(t).open(Config{Faults: faults})
			a := appender(t, l, test.cfg)
			faults.Hold(EventsTopic, 0)
			ends := make(chan error, 3)
			for i := range 3 {
				if err := a.Append(event(userOf(0), i), func(_ Appended, err error) { ends <- err }); err != nil {
					t.Fatal(err)
				}
			}
			reason, err := a.append(ptr(event(userOf(0), 4)), nil)
			if !errors.Is(err, ErrBusy) || reason != test.want {
				t.Fatalf("a full partition: %q, %v", reason, err)
			}
			must(t, a, event(userOf(1), 1))
			faults.Release(EventsTopic, 0)
			for range 3 {
				if err := signal(t, ends, "end of a held record"); err != nil {
					t.Error(err)
				}
			}
			must(t, a, event(userOf(0), 5))
			got := cursors(follow(t, l, EventsTopic, 0, FromStart, nil).entries(4))
			if !slices.Equal(got, []uint64{0, 1, 2, 5}) {
				t.Errorf("read %v", got)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// A partition that has stopped refuses at once, long before it is full.
func TestFailingPartition(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Faults: faults})
	a := appender(t, l, AppenderConfig{Deadline: time.Nanosecond})
	faults.Hold(EventsTopic, 0)
	end := make(chan error, 1)
	if err := a.Append(event(userOf(0), 1), func(_ Appended, err error) { end <- err }); err != nil {
		t.Fatal(err)
	}
	if reason, err := a.append(ptr(event(userOf(0), 2)), nil); !errors.Is(err, ErrBusy) || reason != refusedFailing {
		t.Fatalf("a failing partition: %q, %v", reason, err)
	}
	must(t, a, event(userOf(1), 1))
	faults.Clear()
	if err := signal(t, end, "end of the held record"); err != nil {
		t.Fatal(err)
	}
	must(t, a, event(userOf(0), 3))
}

func TestRefusals(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Faults: faults})
	a := appender(t, l, AppenderConfig{})
	down := errors.New("down")
	faults.Fail(GatesTopic, AllPartitions, down)
	change := func(edit func(*Record)) Record {
		r := event("u", 1)
		edit(&r)
		return r
	}
	for name, test := range map[string]struct {
		record Record
		want   error
	}{
		"unknown topic":     {change(func(r *Record) { r.Topic = "waybill.nothing" }), ErrUnknownTopic},
		"impossible topic":  {change(func(r *Record) { r.Topic = "no topic" }), ErrUnknownTopic},
		"no key":            {change(func(r *Record) { r.Key = nil }), ErrNoPartition},
		"no such partition": {change(func(r *Record) { r.Partition = 2 }), ErrNoPartition},
		"too large":         {change(func(r *Record) { r.Value = make([]byte, maxRecord) }), ErrTooLarge},
		"fault":             {change(func(r *Record) { r.Topic = GatesTopic }), down},
		"fault is busy":     {change(func(r *Record) { r.Topic = GatesTopic }), ErrBusy},
	} {
		t.Run(name, func(t *testing.T) {
			err := a.Append(test.record, func(Appended, error) { t.Error("done was called") })
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	a.Close()
	if err := a.Append(event("u", 1), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := a.AppendWait(within(t), Record{Topic: ControlTopic}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close, to another topic: %v", err)
	}
}

// The largest record that Append takes is one that the broker takes.
func TestLargestRecord(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	r := event("u", 1)
	r.Stamp, r.Value = NoStamp, nil
	r.Value = make([]byte, maxRecord-sizeOf(&r))
	must(t, a, r)
}

func TestGivenUpIsInDoubt(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Faults: faults})
	a := appender(t, l, AppenderConfig{})
	faults.Hold(EventsTopic, 0)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the caller has gone")
	cancel(gone)
	if _, err := a.AppendWait(ctx, event(userOf(0), 1)); !errors.Is(err, ErrInDoubt) || !errors.Is(err, gone) {
		t.Errorf("given up: %v", err)
	}
	faults.Clear()
	follow(t, l, EventsTopic, 0, FromStart, nil).entries(1)
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Faults: faults})
	a := appender(t, l, AppenderConfig{})
	faults.Hold(EventsTopic, AllPartitions)
	end := make(chan error, 1)
	if err := a.Append(event("u", 1), func(_ Appended, err error) { end <- err }); err != nil {
		t.Fatal(err)
	}
	a.Close()
	if err := signal(t, end, "end of the held record"); !errors.Is(err, ErrInDoubt) || !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// An urgent record takes along what lingers before it; Flush does as well.
func TestUrgentDoesNotLinger(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{Linger: time.Minute})
	ends := make(chan error, 3)
	done := func(_ Appended, err error) { ends <- err }
	urgent := event(userOf(0), 2)
	urgent.Urgent = true
	for _, r := range []Record{event(userOf(0), 1), urgent} {
		if err := a.Append(r, done); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := signal(t, ends, "an urgent append"); err != nil {
			t.Error(err)
		}
	}
	if err := a.Append(event(userOf(0), 3), done); err != nil {
		t.Fatal(err)
	}
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	if len(ends) != 1 {
		t.Error("Flush returned before done")
	}
}

// The stamp goes into spare capacity, and into the header of an uplink.
func TestStampHeader(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	e, err := (&schemas.Event{Kind: schemas.Kind_KIND_UPLINKED, App: "app", User: "u"}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	r := Record{
		Topic: UplinkTopic("app"), Partition: ByKey, Key: schemas.Key("app", "u"), Value: []byte("app's own"), Stamp: StampHeader,
		Headers: []Header{{"user", []byte("u")}, {StampHeaderName, e}},
	}
	at := must(t, a, r)
	got := follow(t, l, r.Topic, at.Partition, FromStart, nil).entries(1).Entries[0]
	if string(got.Value) != "app's own" || got.Event.Origin != a.Origin() || got.Event.Serial != 1 || got.Event.User != "u" {
		t.Errorf("read %q and %v", got.Value, got.Event)
	}
	if len(got.Headers) != 2 || got.Headers[0].Key != "user" || string(got.Headers[0].Value) != "u" {
		t.Errorf("headers %v", got.Headers)
	}
}

// Nothing acknowledged is lost and order is kept when the broker goes and comes
// back; what was accepted meanwhile follows.
func TestOutage(t *testing.T) {
	b := startBroker(t)
	l := b.open(Config{})
	a := appender(t, l, AppenderConfig{Deadline: time.Hour})
	f := follow(t, l, EventsTopic, 0, FromStart, nil)
	ends := make(chan error, 300)
	add := func(n int) {
		if err := a.Append(event(userOf(0), n), func(_ Appended, err error) { ends <- err }); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 100 {
		add(n)
	}
	for range 50 {
		signal(t, ends, "appends before the outage")
	}
	b.stop()
	for n := range 100 {
		add(100 + n)
	}
	b.start()
	for n := range 100 {
		add(200 + n)
	}
	for range 250 {
		if err := signal(t, ends, "appends after the outage"); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range cursors(f.entries(300)) {
		if n != uint64(i) {
			t.Fatalf("entry %d is %d", i, n)
		}
	}
}

// Before the brokers have said anything, Append refuses and AppendWait waits.
func TestStartedDuringAnOutage(t *testing.T) {
	b := startBroker(t)
	b.open(Config{})
	b.stop()
	l, err := Open(Config{Brokers: []string{b.address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	a, err := l.NewAppender(AppenderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	for range 2 {
		if err := a.Append(event("u", 1), nil); !errors.Is(err, ErrBusy) {
			t.Errorf("while the brokers are away: %v", err)
		}
	}
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.AppendWait(given, event("u", 1)); !errors.Is(err, ErrBusy) || errors.Is(err, ErrInDoubt) {
		t.Errorf("given up before it was handed over: %v", err)
	}
	b.start()
	must(t, a, event("u", 2))
	if err := l.Ping(within(t)); err != nil {
		t.Error(err)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := startBroker(b).open(Config{})
	a := appender(b, l, AppenderConfig{Linger: time.Millisecond, MaxPerPartition: 1 << 20, MaxBytesPerPartition: 1 << 30})
	r := event("u", 1)
	body := slices.Clone(r.Value)
	b.ReportAllocs()
	for b.Loop() {
		r.Value = append(make([]byte, 0, len(body)+StampSize), body...)
		if err := a.Append(r, nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
