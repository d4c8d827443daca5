package eventlog

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"waybill/schemas"
)

// announce says an epoch in the control topic.
func announce(t testing.TB, a *Appender, to Announced) {
	t.Helper()
	e := &schemas.Event{Kind: schemas.Kind_KIND_SEALED, Sealed: &schemas.Sealed{Epoch: uint32(to.Epoch), Partitions: uint32(to.Partitions), Done: to.Done}}
	value, err := e.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	must(t, a, Record{Topic: ControlTopic, Partition: ByKey, Key: []byte(epochKey), Value: value})
}

// epochs runs until the test ends.
func epochs(t testing.TB, l *Log) *Epochs {
	t.Helper()
	e := l.NewEpochs()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return e
}

// secondTopic makes the next epoch's topic.
func secondTopic(t testing.TB, l *Log, partitions int32) {
	t.Helper()
	if err := l.CreateTopics(within(t), []TopicSpec{EventsSpec(1, partitions, 1)}); err != nil {
		t.Fatal(err)
	}
}

// answers are the ticks in the gates topic, as they come.
func answers(t testing.TB, l *Log) <-chan uint32 {
	t.Helper()
	all := make(chan uint32, 100)
	serve(t, l, GatesTopic, 0, func(ctx context.Context, p *Partition) error {
		if err := p.Start(FromStart, nil); err != nil {
			return err
		}
		for {
			b, err := p.Next(ctx)
			if err != nil {
				return nil
			}
			for _, e := range b.Entries {
				all <- e.Event.GetTick().GetEpoch()
			}
		}
	})
	return all
}

func TestEpochOfANewProcess(t *testing.T) {
	l := startBroker(t).open(Config{Node: "test"})
	secondTopic(t, l, 4)
	announce(t, appender(t, l, AppenderConfig{}), Announced{Epoch: 1, Partitions: 4})
	e := l.NewEpochs()
	a, err := l.NewAppender(AppenderConfig{Epochs: e})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.Append(event("u", 1), nil); !errors.Is(err, ErrBusy) {
		t.Fatalf("an append before the epoch is known: %v, want %v", err, ErrBusy)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	if err := a.Prepare(within(t), EventsTopic); err != nil {
		t.Fatal(err)
	}
	if at := must(t, a, event("u", 1)); at.Topic != EventsOf(1) || at.Position != schemas.At(1, 0) {
		t.Errorf("appended to %s at %v, want %s at %v", at.Topic, at.Position, EventsOf(1), schemas.At(1, 0))
	}
	signal(t, e.Ready(), "the epoch to be known")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestEpochKeepsOrder: appends go on while the epoch changes; of each user every
// one is in the log once, the old topic's before the new one's, in order.
func TestEpochKeepsOrder(t *testing.T) {
	l := startBroker(t).open(Config{Node: "test"})
	e := epochs(t, l)
	a := appender(t, l, AppenderConfig{Epochs: e, Linger: time.Millisecond})
	heard := answers(t, l)
	var appending sync.WaitGroup
	entered := make(chan struct{})
	users := []string{userOf(0), userOf(1), "driver", "customer"}
	const after = 500
	each := make([]int, len(users))
	for i, user := range users {
		appending.Go(func() { each[i] = appendUntil(t, a, user, entered, after) })
	}
	secondTopic(t, l, 4)
	announce(t, appender(t, l, AppenderConfig{}), Announced{Epoch: 1, Partitions: 4})
	for stands := uint32(0); stands != 1; {
		stands = signal(t, heard, "the answer of epoch 1")
	}
	close(entered)
	appending.Wait()
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]uint64)
	both := make(map[string]int)
	for _, topic := range []string{EventsTopic, EventsOf(1)} {
		n, err := l.Partitions(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			at, err := l.span(t.Context(), topic, i)
			if err != nil {
				t.Fatal(err)
			}
			if at.end == 0 {
				continue
			}
			for _, x := range follow(t, l, topic, i, FromStart, nil).offset(at.end).Entries {
				got[x.Event.User] = append(got[x.Event.User], x.Event.Acked.Cursor)
			}
			both[topic] += int(at.end)
		}
	}
	for i, user := range users {
		if len(got[user]) != each[i] || !slices.IsSorted(got[user]) {
			t.Errorf("of %s the log has %d, in order: %v; want %d", user, len(got[user]), slices.IsSorted(got[user]), each[i])
		}
	}
	if both[EventsTopic] == 0 || both[EventsOf(1)] == 0 {
		t.Errorf("records by topic: %v, want both", both)
	}
}

// appendUntil appends one after another until the channel is closed, and so many
// more; it returns how many there are.
func appendUntil(t *testing.T, a *Appender, user string, end <-chan struct{}, more int) (n int) {
	for left := more; left > 0; {
		if n++; a.Append(event(user, n), nil) != nil { // full: let it drain
			n--
			if err := a.Flush(t.Context()); err != nil {
				t.Error(err)
				return n
			}
		}
		if known(end) {
			left--
		}
	}
	return n
}

// TestEpochWaitsForItsDrain: while the old topic takes nothing, the new one gets
// nothing either, nobody says that the appender has left, and Close ends all.
func TestEpochWaitsForItsDrain(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Node: "test", Faults: faults})
	e := epochs(t, l)
	a := appender(t, l, AppenderConfig{Epochs: e})
	ends := make(chan error, 2)
	done := func(_ Appended, err error) { ends <- err }
	moved := make(chan struct{})
	a.line.moved = func() { close(moved) }
	faults.Hold(EventsTopic, AllPartitions)
	if err := a.Append(event("u", 1), done); err != nil {
		t.Fatal(err)
	}
	secondTopic(t, l, 4)
	announce(t, appender(t, l, AppenderConfig{}), Announced{Epoch: 1, Partitions: 4})
	signal(t, moved, "facts to go to the next epoch")
	if err := a.Append(event("u", 2), done); err != nil {
		t.Fatal(err)
	}
	if at, err := l.span(t.Context(), EventsOf(1), 0); err != nil || at.end != 0 || a.line.at() != 0 {
		t.Errorf("the next topic has %d records (%v) and the appender is in epoch %d before its drain", at.end, err, a.line.at())
	}
	faults.Clear()
	for range 2 {
		if err := signal(t, ends, "an end"); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseEndsWhatAnEpochHolds(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Node: "test", Faults: faults})
	e := epochs(t, l)
	a := appender(t, l, AppenderConfig{Epochs: e})
	ends := make(chan error, 2)
	done := func(_ Appended, err error) { ends <- err }
	moved := make(chan struct{})
	a.line.moved = func() { close(moved) }
	faults.Hold(EventsTopic, AllPartitions)
	if err := a.Append(event("u", 1), done); err != nil {
		t.Fatal(err)
	}
	secondTopic(t, l, 4)
	entered := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { entered <- a.enter(ctx, 1) }()
	signal(t, moved, "facts to go to the next epoch")
	if err := a.Append(event("u", 2), done); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := signal(t, entered, "the end of enter"); err == nil {
		t.Error("entered an epoch without a drain")
	}
	a.Close()
	for range 2 {
		if err := signal(t, ends, "an end"); !errors.Is(err, ErrInDoubt) {
			t.Errorf("an append that was held ended with %v, want %v", err, ErrInDoubt)
		}
	}
}
