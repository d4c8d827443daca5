package eventlog

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"waybill/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"
)

// The same bytes again, as a broker's or a producer's restart leaves them.
func TestRepeatsAreLeftOut(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	user := userOf(0)
	for n := range 3 {
		must(t, a, event(user, n))
	}
	first := follow(t, l, EventsTopic, 0, FromStart, nil).entries(3)
	stamped := slices.Clone(first.Entries[1].Value)
	key := schemas.Key("app", user)
	raw(t, l, &kgo.Record{Topic: EventsTopic, Key: key, Value: stamped})
	must(t, a, event(user, 3))

	b := follow(t, l, EventsTopic, 0, FromStart, nil).offset(5)
	if got := cursors(b); !slices.Equal(got, []uint64{0, 1, 2, 3}) || b.Repeats != 1 {
		t.Errorf("read %v and %d repeats", got, b.Repeats)
	}

	// A reader that begins behind them knows it from its serials only.
	var serials Serials
	serials.Apply(first)
	b = follow(t, l, EventsTopic, 0, first.Next, &serials).offset(5)
	if got := cursors(b); !slices.Equal(got, []uint64{3}) || b.Repeats != 1 {
		t.Errorf("with serials: read %v and %d repeats", got, b.Repeats)
	}
	want := OriginMark{a.Origin(), Mark{Serial: 4, Time: b.Entries[0].Time}}
	if got := b.Marks[len(b.Marks)-1]; got != want || b.Time != want.Time {
		t.Errorf("mark %+v, want %+v; time %d", got, want, b.Time)
	}
	if _, ok := serials.marks[a.Origin()]; !ok || serials.marks[a.Origin()].Serial != 3 {
		t.Error("reading changed the caller's serials")
	}
}

func TestWhatIsLeftOut(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	mine, other := event(userOf(0), 1), event(userOf(1), 2)
	claim, err := (&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*kgo.Record{
		{Key: mine.Key, Value: []byte("no message")},
		{Key: mine.Key, Value: nil},
		{Key: other.Key, Value: other.Value},
		{Key: nil, Value: mine.Value},
		{Key: nil, Value: claim},
	} {
		r.Topic = EventsTopic
		raw(t, l, r)
	}
	must(t, a, mine)
	b := follow(t, l, EventsTopic, 0, FromStart, nil).offset(6)
	if len(b.Entries) != 2 || b.Entries[0].Event.Kind != schemas.Kind_KIND_CLAIMED || b.Entries[1].Event.Acked.Cursor != 1 {
		t.Errorf("entries %v", b.Entries)
	}
	if b.Undecodable != 2 || b.Misplaced != 2 {
		t.Errorf("%d undecodable and %d misplaced, want 2 and 2", b.Undecodable, b.Misplaced)
	}
}

// Nothing of a record that is left out shows in the next one, whatever the
// reason: decoding adds to what stands in the message's place.
func TestLeftOutLeavesNothing(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	user := userOf(0)
	full := &schemas.Event{
		Kind: schemas.Kind_KIND_PUSHED, App: "app", User: user, Device: "only this", Time: 1, TraceId: make([]byte, 16), Node: "n",
		Pushed: &schemas.Pushed{Name: "one", Ttl: 5, Label: "L", CollapseKey: "K"},
	}
	sparse := &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, App: "app", User: user, Pushed: &schemas.Pushed{Name: "two"}}
	encode := func(e *schemas.Event) []byte {
		b, err := e.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := schemas.Key("app", user)
	must(t, a, Record{Topic: EventsTopic, Partition: ByKey, Key: key, Value: encode(full)})
	first := follow(t, l, EventsTopic, 0, FromStart, nil).entries(1)
	for _, left := range []*kgo.Record{
		{Key: key, Value: slices.Clone(first.Entries[0].Value)},               // a repeat
		{Key: schemas.Key("app", userOf(1)), Value: encode(full)},             // misplaced
		{Key: key, Value: append(encode(full), 0xff, 0xff, 0xff, 0xff, 0xff)}, // undecodable at its end
	} {
		left.Topic = EventsTopic
		raw(t, l, left)
		must(t, a, Record{Topic: EventsTopic, Partition: ByKey, Key: key, Value: encode(sparse)})
	}
	b := follow(t, l, EventsTopic, 0, FromStart, nil).offset(7)
	if b.Repeats != 1 || b.Misplaced != 1 || b.Undecodable != 1 || len(b.Entries) != 4 {
		t.Fatalf("%d repeats, %d misplaced, %d undecodable, %d entries", b.Repeats, b.Misplaced, b.Undecodable, len(b.Entries))
	}
	for _, e := range b.Entries[1:] {
		e.Event.Origin, e.Event.Serial = 0, 0
		if !proto.Equal(e.Event, sparse) {
			t.Errorf("read %v", e.Event)
		}
	}
}

func TestCommands(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	for n := range uint64(2) {
		value, err := (&schemas.Command{Kind: schemas.CommandKind_COMMAND_KIND_PUSH, Position: n + 1}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		must(t, a, Record{Topic: DispatchTopic, Partition: 3, Value: value})
	}
	b := follow(t, l, DispatchTopic, 3, FromStart, nil).entries(2)
	c := b.Entries[1].Command
	if c.Position != 2 || c.Origin != a.Origin() || c.Serial != 2 {
		t.Errorf("command %v", c)
	}
}

func TestStart(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	for n := range 6 {
		must(t, a, event(userOf(0), n))
	}
	deleteBefore(t, l, 2)
	for name, test := range map[string]struct {
		from, want int64
		jumped     bool
	}{
		"oldest":               {FromStart, 2, false},
		"newest":               {FromEnd, 6, false},
		"in the log":           {4, 4, false},
		"its start":            {2, 2, false},
		"its end":              {6, 6, false},
		"before its start":     {0, 2, true},
		"beyond its end":       {7, 2, true},
		"of another log's end": {1 << 40, 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			type start struct {
				at, end int64
				jumped  bool
			}
			c := make(chan start, 1)
			serve(t, l, EventsTopic, 0, func(ctx context.Context, p *Partition) error {
				if err := p.Start(test.from, nil); err != nil {
					return err
				}
				end, err := p.End(ctx)
				c <- start{p.Offset(), end, p.Jumped()}
				if again := p.Start(0, nil); !errors.Is(again, ErrStarted) {
					t.Errorf("a second start: %v", again)
				}
				return err
			})
			if got, want := signal(t, c, "start"), (start{test.want, 6, test.jumped}); got != want {
				t.Errorf("started at %+v, want %+v", got, want)
			}
		})
	}
}

func deleteBefore(t *testing.T, l *Log, offset int64) {
	t.Helper()
	if _, err := l.admin.DeleteRecords(within(t), kadm.Offsets{EventsTopic: {0: {Topic: EventsTopic, Partition: 0, At: offset}}}); err != nil {
		t.Fatal(err)
	}
}

// Retention overtakes a reader that has begun: it goes on at what is left, and
// says so.
func TestRetentionOvertakes(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	for n := range 6 {
		must(t, a, event(userOf(0), n))
	}
	c := make(chan Batch, 10)
	serve(t, l, EventsTopic, 0, func(ctx context.Context, p *Partition) error {
		if err := p.Start(FromEnd, nil); err != nil {
			return err
		}
		deleteBefore(t, l, 4)
		p.next.Store(1) // as if it had read up to here
		p.r.fetch(p, 1)
		for {
			b, err := p.Next(ctx)
			if err != nil {
				return nil
			}
			c <- b
		}
	})
	f := &following{t: t, c: c}
	if b := f.entries(2); !b.Jumped || !slices.Equal(cursors(b), []uint64{4, 5}) {
		t.Errorf("read %v, jumped %v", cursors(b), b.Jumped)
	}
}

// A held partition is read by nobody, its neighbour as ever.
func TestFaultsOfReading(t *testing.T) {
	faults := new(Faults)
	l := startBroker(t).open(Config{Faults: faults})
	a := appender(t, l, AppenderConfig{})
	must(t, a, event(userOf(0), 1))
	must(t, a, event(userOf(1), 2))
	faults.Hold(EventsTopic, 0)
	held := follow(t, l, EventsTopic, 0, FromStart, nil)
	follow(t, l, EventsTopic, 1, FromStart, nil).entries(1)
	if len(held.c) != 0 {
		t.Fatal("a held partition was read")
	}
	faults.Release(EventsTopic, 0)
	held.entries(1)
}

func TestServedAgainAfterError(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	must(t, a, event(userOf(0), 1))
	tries := make(chan *Partition, 10)
	serve(t, l, EventsTopic, 0, func(ctx context.Context, p *Partition) error {
		tries <- p
		if err := p.Start(FromStart, nil); err != nil {
			return err
		}
		if _, err := p.Next(ctx); err != nil {
			return err
		}
		if len(tries) < 2 {
			return errors.New("the store is away")
		}
		close(tries)
		return nil
	})
	signal(t, tries, "first call")
	signal(t, tries, "second call")
}

func TestFollowEndsWhenAllAreDone(t *testing.T) {
	l := startBroker(t).open(Config{})
	err := l.Follow(within(t), FollowConfig{Topic: EventsTopic, Serve: func(context.Context, *Partition) error { return nil }})
	if err != nil {
		t.Error(err)
	}
	err = l.Follow(within(t), FollowConfig{Topic: EventsTopic, Partitions: []int32{7}})
	if !errors.Is(err, ErrNoPartition) {
		t.Errorf("a partition that does not exist: %v", err)
	}
}

func TestFollowWaitsForItsTopic(t *testing.T) {
	b := startBroker(t)
	l, err := Open(Config{Brokers: []string{b.address}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	f := follow(t, l, EventsTopic, 0, FromStart, nil)
	a := appender(t, b.open(Config{}), AppenderConfig{})
	must(t, a, event(userOf(0), 1))
	f.entries(1)
}

// The context's cause says why, also inside Start.
func TestLost(t *testing.T) {
	l := startBroker(t).open(Config{})
	ctx, cancel := context.WithCancel(t.Context())
	started, causes := make(chan struct{}), make(chan error, 2)
	done := make(chan error, 1)
	go func() {
		done <- l.Follow(ctx, FollowConfig{Topic: EventsTopic, Partitions: []int32{0}, Serve: func(ctx context.Context, p *Partition) error {
			if err := p.Start(FromEnd, nil); err != nil {
				return err
			}
			close(started)
			_, err := p.Next(context.Background())
			causes <- err
			causes <- context.Cause(ctx)
			return err
		}})
	}()
	signal(t, started, "start")
	cancel()
	for range 2 {
		if err := signal(t, causes, "cause"); !errors.Is(err, ErrLost) {
			t.Errorf("cause %v", err)
		}
	}
	if err := signal(t, done, "end of Follow"); err != nil {
		t.Error(err)
	}
}

// The memory of a batch is used again for the one after the next, and what an
// entry refers to is not.
func TestReuse(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{MaxPerPartition: 1 << 20})
	const n = 3 * maxBatch
	for i := range n {
		if err := a.Append(event(userOf(0), i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- l.Follow(within(t), FollowConfig{
			Topic: EventsTopic, Partitions: []int32{0}, Fetch: Fetch{Reuse: true, MinBytes: n * 50, MaxWait: time.Second},
			Serve: func(ctx context.Context, p *Partition) error { return readReused(ctx, t, p, n) },
		})
	}()
	if err := signal(t, done, "end of Follow"); err != nil {
		t.Error(err)
	}
}

func readReused(ctx context.Context, t *testing.T, p *Partition, n int) error {
	if err := p.Start(FromStart, nil); err != nil {
		return err
	}
	var read []uint64
	var first Batch
	var user string
	again := false
	for len(read) < n {
		b, err := p.Next(ctx)
		if err != nil {
			t.Error(err)
			return nil
		}
		if first.Entries == nil {
			first, user = b, b.Entries[0].Event.User
		} else {
			again = again || &b.Entries[0] == &first.Entries[0]
		}
		read = append(read, cursors(b)...)
	}
	for i, got := range read {
		if got != uint64(i) {
			t.Errorf("record %d is %d", i, got)
			break
		}
	}
	if !again {
		t.Error("no batch has the memory of the first")
	}
	if user != userOf(0) {
		t.Errorf("the first user is %q now", user)
	}
	return nil
}

func BenchmarkRead(b *testing.B) {
	b.Run("fresh", func(b *testing.B) { benchmarkRead(b, Fetch{}) })
	b.Run("reused", func(b *testing.B) { benchmarkRead(b, Fetch{Reuse: true}) })
}

func benchmarkRead(b *testing.B, f Fetch) {
	l := startBroker(b).open(Config{})
	a := appender(b, l, AppenderConfig{MaxPerPartition: 1 << 22, MaxBytesPerPartition: 1 << 31, Deadline: 1 << 60})
	user := userOf(0)
	for n := range b.N {
		if err := a.Append(event(user, n), nil); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	err := l.Follow(context.Background(), FollowConfig{Topic: EventsTopic, Partitions: []int32{0}, Fetch: f, Serve: func(ctx context.Context, p *Partition) error {
		if err := p.Start(FromStart, nil); err != nil {
			return err
		}
		for total := 0; total < b.N; {
			batch, err := p.Next(ctx)
			if err != nil {
				return err
			}
			total += len(batch.Entries)
		}
		return nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// A function that breaks off goes on where it was, while the client has fetched
// far ahead: not one record is skipped or seen twice.
func TestBreakingOffKeepsOrder(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{MaxPerPartition: 1 << 20})
	const n = 4 * maxBatch
	for i := range n {
		if err := a.Append(event(userOf(0), i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	var read []uint64 // by one call of the function at a time
	next := FromStart
	done := make(chan struct{})
	serve(t, l, EventsTopic, 0, func(ctx context.Context, p *Partition) error {
		if err := p.Start(next, nil); err != nil {
			return err
		}
		for calls := 0; len(read) < n; calls++ {
			if calls == 2 {
				return errors.New("breaking off")
			}
			b, err := p.Next(ctx)
			if err != nil {
				return err
			}
			read, next = append(read, cursors(b)...), b.Next
		}
		close(done)
		return nil
	})
	signal(t, done, "all records")
	for i, got := range read {
		if got != uint64(i) {
			t.Fatalf("record %d is %d", i, got)
		}
	}
}

// From Append to the reader's hands, one record at a time.
func BenchmarkRoundTrip(b *testing.B) {
	l := startBroker(b).open(Config{})
	a := appender(b, l, AppenderConfig{})
	f := follow(b, l, EventsTopic, 0, FromEnd, nil)
	user := userOf(0)
	must(b, a, event(user, 0))
	f.entries(1)
	for b.Loop() {
		if err := a.Append(event(user, 1), nil); err != nil {
			b.Fatal(err)
		}
		f.entries(1)
	}
}
