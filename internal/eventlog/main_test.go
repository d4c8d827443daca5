package eventlog

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"waybill/schemas"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for what must come; no test waits for it when all is well.
const patience = 20 * time.Second

// broker is an embedded one that a test may take away and bring back.
type broker struct {
	t       testing.TB
	dir     string
	door    *door
	address string
	cluster *kfake.Cluster // nil while it is away
}

func startBroker(t testing.TB) *broker {
	t.Helper()
	d, err := openDoor()
	if err != nil {
		t.Fatal(err)
	}
	b := &broker{t: t, dir: t.TempDir(), door: d, address: d.Addr().String()}
	t.Cleanup(func() {
		b.stop()
		d.Close()
	})
	b.start()
	return b
}

func (b *broker) start() {
	b.t.Helper()
	var err error
	b.cluster, err = kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(b.dir), kfake.GroupMinSessionTimeout(time.Second), kfake.ListenFn(b.door.enter))
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) stop() {
	if b.cluster != nil {
		b.cluster.Close()
		b.cluster = nil
	}
}

// open is a Log at the broker, with the topics of two partitions.
func (b *broker) open(cfg Config) *Log {
	b.t.Helper()
	cfg.Brokers = []string{b.address}
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(b.t.Output(), nil))
	}
	l, err := Open(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(l.Close)
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	specs := append(Specs(2, 4, 1), AppSpecs("app", 2, 1)...)
	if err := l.CreateTopics(ctx, specs); err != nil {
		b.t.Fatal(err)
	}
	return l
}

func appender(t testing.TB, l *Log, cfg AppenderConfig) *Appender {
	t.Helper()
	a, err := l.NewAppender(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	if err := a.Prepare(within(t), EventsTopic); err != nil {
		t.Fatal(err)
	}
	return a
}

// within is a context that ends with the test, or when patience does.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// event is the record of one user's event; position stands for its content.
func event(user string, n int) Record {
	e := &schemas.Event{Kind: schemas.Kind_KIND_ACKED, App: "app", User: user, Acked: &schemas.Acked{Cursor: uint64(n)}}
	value, err := e.MarshalVT()
	if err != nil {
		panic(err)
	}
	return Record{Topic: EventsTopic, Partition: ByKey, Key: schemas.Key("app", user), Value: value}
}

// userOf finds a user whose events belong into the partition of two.
func userOf(partition int) string {
	h := keyHash(EventsTopic)
	for i := 0; ; i++ {
		user := fmt.Sprint("user", i)
		if h.Partition(&kgo.Record{Key: schemas.Key("app", user)}, 2) == partition {
			return user
		}
	}
}

// must appends and waits.
func must(t testing.TB, a *Appender, r Record) Appended {
	t.Helper()
	at, err := a.AppendWait(within(t), r)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// raw appends bytes as another client would.
func raw(t testing.TB, l *Log, r *kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(l.options(kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(within(t), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// following reads one partition in the background until the test ends.
type following struct {
	t testing.TB
	c chan Batch
}

func follow(t testing.TB, l *Log, topic string, partition int32, from int64, serials *Serials) *following {
	f := &following{t: t, c: make(chan Batch, 1000)}
	serve(t, l, topic, partition, func(ctx context.Context, p *Partition) error {
		if err := p.Start(from, serials); err != nil {
			return err
		}
		for {
			b, err := p.Next(ctx)
			if err != nil {
				return nil
			}
			f.c <- b
		}
	})
	return f
}

// serve follows with the function until the test ends.
func serve(t testing.TB, l *Log, topic string, partition int32, f PartitionFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- l.Follow(ctx, FollowConfig{Topic: topic, Partitions: []int32{partition}, Serve: f})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// until collects batches, joined, until enough is true.
func (f *following) until(enough func(Batch) bool) Batch {
	f.t.Helper()
	var all Batch
	for deadline := time.After(patience); !enough(all); {
		select {
		case b := <-f.c:
			all.Entries = append(all.Entries, b.Entries...)
			all.Repeats += b.Repeats
			all.Misplaced += b.Misplaced
			all.Undecodable += b.Undecodable
			all.Jumped = all.Jumped || b.Jumped
			all.Next, all.Marks, all.Time = b.Next, append(all.Marks, b.Marks...), b.Time
		case <-deadline:
			f.t.Fatalf("have read %d entries, next is %d, and no more comes", len(all.Entries), all.Next)
		}
	}
	return all
}

func (f *following) entries(n int) Batch {
	f.t.Helper()
	return f.until(func(b Batch) bool { return len(b.Entries) >= n })
}

func (f *following) offset(next int64) Batch {
	f.t.Helper()
	return f.until(func(b Batch) bool { return b.Next >= next })
}

func cursors(b Batch) []uint64 {
	var all []uint64
	for _, e := range b.Entries {
		all = append(all, e.Event.GetAcked().GetCursor())
	}
	return all
}

// signal waits for a channel.
func signal[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited in vain: %s", what)
		panic("unreachable")
	}
}
