package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Fetch tunes how a reader asks for records. Zero values take the defaults.
type Fetch struct {
	// MinBytes is how much the broker collects before it answers (default 1): a
	// projector that flushes by time takes more, and saves CPU on both sides. What
	// comes at once is worked through at once, too.
	MinBytes int32
	// MaxWait is how long it waits for them (default 250 ms). A partition that
	// is started or resumed while a fetch waits is fetched after it.
	MaxWait time.Duration
	// MaxBytes is the most that one answer brings (default 8 MiB).
	MaxBytes int32
	// Reuse overwrites the Entries of a batch, with their events and commands,
	// once the next batch of the partition has been received. Bodies, keys and
	// texts stay: they lie in what was fetched, which nobody uses again. It saves
	// a reader most of its garbage.
	Reuse bool
}

const (
	defaultMaxWait    = 250 * time.Millisecond
	defaultFetchBytes = int32(8 << 20)
	partitionBytes    = int32(1 << 20) // of one partition in one answer
)

func (f Fetch) options() []kgo.Opt {
	if f.MinBytes == 0 {
		f.MinBytes = 1
	}
	if f.MaxWait == 0 {
		f.MaxWait = defaultMaxWait
	}
	if f.MaxBytes == 0 {
		f.MaxBytes = defaultFetchBytes
	}
	return []kgo.Opt{
		kgo.FetchMinBytes(f.MinBytes),
		kgo.FetchMaxWait(f.MaxWait),
		kgo.FetchMaxBytes(f.MaxBytes),
		kgo.FetchMaxPartitionBytes(min(partitionBytes, f.MaxBytes)),
		kgo.WithPools(new(recordPool)),
		// An offset that is not in the log is an error, which this package
		// answers: the library would go elsewhere silently.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	}
}

// reader is one client that fetches partitions by hand, for Follow and Join.
type reader struct {
	log    *Log
	client *kgo.Client
	reuse  bool   // Fetch.Reuse
	group  string // that assigns the partitions; empty = by hand
	unlag  metric.Registration

	mu    sync.Mutex
	parts map[place]*Partition // those that are fetched
	// What is fetched changes between two polls only, on the poll's goroutine:
	// what a poll brings then belongs to whoever was served when it began.
	changes []func()
	wake    context.CancelFunc // ends the poll that runs; set by the poll loop
}

func (l *Log) newReader(f Fetch, group string) (*reader, error) {
	r := &reader{log: l, reuse: f.Reuse, group: group, parts: make(map[place]*Partition), wake: func() {}}
	var err error
	if r.client, err = kgo.NewClient(l.options(f.options()...)...); err != nil {
		return nil, fmt.Errorf("open reader: %w", err)
	}
	if r.unlag, err = l.metrics.meter.RegisterCallback(r.observeLag, l.metrics.lag); err != nil {
		r.client.Close()
		return nil, fmt.Errorf("open reader: %w", err)
	}
	return r, nil
}

func (r *reader) close() {
	_ = r.unlag.Unregister() // fails only when done twice
	r.client.Close()
}

// run is the poll loop. It never waits for a partition.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		poll, cancel := context.WithCancel(ctx)
		r.apply(cancel)
		for poll.Err() == nil {
			r.poll(poll)
		}
		cancel()
	}
}

// apply makes the changes that were asked for; the next one ends the poll.
func (r *reader) apply(wake context.CancelFunc) {
	r.mu.Lock()
	changes := r.changes
	r.changes, r.wake = nil, wake
	r.mu.Unlock()
	for _, change := range changes {
		change()
	}
}

// change asks for a change of what is fetched; it does not wait for it.
func (r *reader) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, f)
	r.wake()
}

// poll waits for records, or for the end of ctx, and gives them out.
func (r *reader) poll(ctx context.Context) {
	fetches := r.client.PollFetches(ctx)
	now := time.Now()
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if p := r.part(f.Topic, f.Partition); p != nil {
			r.give(p, f, now)
		}
	})
}

// give hands a partition what a poll brought of it.
func (r *reader) give(p *Partition, f kgo.FetchTopicPartition, now time.Time) {
	if len(f.Records) > 0 {
		p.offer(fetched{records: f.Records, came: now}, f.HighWatermark)
	}
	var loss *kgo.ErrDataLoss
	switch {
	case f.Err == nil:
	case errors.Is(f.Err, kerr.OffsetOutOfRange), errors.As(f.Err, &loss):
		p.lost()
	default:
		r.log.cfg.Log.Warn("a partition cannot be fetched", "topic", f.Topic, "partition", f.Partition, "err", f.Err)
	}
}

func (r *reader) part(topic string, partition int32) *Partition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.parts[place{topic, partition}]
}

// fetch begins, or begins anew, at the offset.
func (r *reader) fetch(p *Partition, offset int64) {
	r.change(func() {
		if r.part(p.topic, p.number) != nil {
			r.client.RemoveConsumePartitions(p.list())
		}
		r.mu.Lock()
		r.parts[place{p.topic, p.number}] = p
		r.mu.Unlock()
		r.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{p.topic: {p.number: kgo.NewOffset().At(offset)}})
	})
}

// unfetch ends what fetch of the same partition began, if it did.
func (r *reader) unfetch(p *Partition) {
	r.change(func() {
		if r.part(p.topic, p.number) != p {
			return
		}
		r.mu.Lock()
		delete(r.parts, place{p.topic, p.number})
		r.mu.Unlock()
		r.client.RemoveConsumePartitions(p.list())
		r.resume(p)
	})
}

func (r *reader) pause(p *Partition)  { r.client.PauseFetchPartitions(p.list()) }
func (r *reader) resume(p *Partition) { r.client.ResumeFetchPartitions(p.list()) }

func (p *Partition) list() map[string][]int32 { return map[string][]int32{p.topic: {p.number}} }

// observeLag is called by whoever collects the metrics.
func (r *reader) observeLag(_ context.Context, o metric.Observer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, p := range r.parts {
		o.ObserveInt64(r.log.metrics.lag, max(p.end.Load()-p.next.Load(), 0),
			metric.WithAttributes(attribute.String("group", r.group), attribute.String("topic", at.topic), attribute.Int("partition", int(at.partition))))
	}
	return nil
}

// serve calls the function for as long as ctx lasts, with a pause after each
// error.
func (r *reader) serve(ctx context.Context, at place, t *tenure, f PartitionFunc) {
	for tries := 1; ; tries++ {
		began := time.Now()
		err := r.serveOnce(ctx, at, t, f)
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(began) > serveMost {
			tries = 1
		}
		pause := min(serveFirst<<min(tries-1, 10), serveMost)
		r.log.cfg.Log.Error("serving a partition broke off: trying again", "topic", at.topic, "partition", at.partition, "after", pause, "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// Pauses before a function is called again: doubled from the first to the most.
const (
	serveFirst = 100 * time.Millisecond
	serveMost  = 10 * time.Second
)

// serveOnce is one call of the function, with a Partition of its own.
func (r *reader) serveOnce(ctx context.Context, at place, t *tenure, f PartitionFunc) error {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &Partition{
		topic: at.topic, number: at.partition, ctx: ctx, r: r, tenure: t,
		batches: make(chan Batch), wake: make(chan struct{}, 1),
	}
	defer p.stop()
	defer cancel(ErrLost)
	return f(ctx, p)
}

// stuck is what the watchdog does.
func (l *Log) stuck(p *Partition, waiting time.Duration) {
	l.cfg.Log.Error("a partition is stuck: a batch waits and nobody takes it", "topic", p.topic, "partition", p.number, "waiting", waiting)
	if l.cfg.OnStuck != nil {
		l.cfg.OnStuck(p.topic, p.number, waiting)
	}
}
