package eventlog

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// AppenderConfig of an Appender. Zero values take the defaults.
type AppenderConfig struct {
	// Linger is how long a record waits for company, unless it is Urgent. 0: not
	// at all while nothing is on its way, else for the answer to that, a
	// millisecond at most. The gate's facts and delivery's outcomes take 2 to 5 ms.
	Linger time.Duration
	// MaxPerPartition bounds the records of one partition that are accepted and
	// not yet acknowledged (default 8192); beyond it the partition is busy.
	MaxPerPartition int
	// MaxBytesPerPartition bounds their keys, values and headers (default 8 MiB).
	MaxBytesPerPartition int
	// Deadline is the age of a partition's oldest unacknowledged record from
	// which on the partition counts as failing and refuses (default 3 s): longer
	// than a change of leader that goes well, shorter than a caller's patience.
	Deadline time.Duration
	// Epochs lets whatever is appended to waybill.events go to that topic's
	// newest epoch, without disorder: see Epochs. nil: topics are what they are
	// called.
	Epochs *Epochs
}

// Defaults. 8192 records are the pushes of half a second at the speed of two
// cores, of which a partition has a share; with bodies of 1 KiB they fill the
// bytes as well.
const (
	defaultMaxRecords = 8192
	defaultMaxBytes   = 8 << 20
	defaultDeadline   = 3 * time.Second
)

// Appender appends to the log: one producer client, one origin. Within a stage
// all records of a key go through one Appender, or their order is lost.
type Appender struct {
	// Fixed after NewAppender.
	log    *Log
	cfg    AppenderConfig
	client *kgo.Client
	origin uint64
	ended  context.Context // has ended before it began: see unlinger

	// Safe for any goroutine.
	closed atomic.Bool
	topics sync.Map  // topic → *parts, once looked up
	pool   sync.Pool // of *pending
	flight *flight   // nil with a linger
	line   line      // of waybill.events, with AppenderConfig.Epochs

	mu      sync.Mutex
	lookups map[string]*lookup // by topic, while the brokers are asked
}

// NewAppender opens a producer client with an origin of its own. It asks the
// brokers nothing yet; see Prepare.
func (l *Log) NewAppender(cfg AppenderConfig) (*Appender, error) {
	cfg.setDefaults()
	linger := cfg.Linger
	if linger == 0 {
		linger = flightMost
	}
	client, err := kgo.NewClient(l.options(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(linger),
		// The embedded broker can give its own time to every record only where
		// batches are not compressed; brokers may compress (compression.type).
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		// The bounds are those of the partitions: the client's own would let one
		// partition refuse for all, and refuse late, through the promise.
		kgo.MaxBufferedRecords(math.MaxInt),
		// What was accepted is retried for ever, or the serials after it would be
		// in the log while it is not.
		kgo.UnknownTopicRetries(-1),
		kgo.ProducerOnDataLossDetected(func(topic string, partition int32) {
			l.cfg.Log.Error("the broker lost track of this producer: repeats may follow", "topic", topic, "partition", partition)
		}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("open appender: %w", err)
	}
	a := &Appender{log: l, cfg: cfg, client: client, origin: newOrigin(), lookups: make(map[string]*lookup)}
	a.line.ready = make(chan struct{})
	if cfg.Linger == 0 {
		a.flight = new(flight)
	}
	var cancel context.CancelFunc
	a.ended, cancel = context.WithCancel(context.Background())
	cancel()
	a.pool.New = func() any { return newPending() }
	if cfg.Epochs != nil {
		cfg.Epochs.add(a)
	}
	return a, nil
}

func (c *AppenderConfig) setDefaults() {
	if c.MaxPerPartition == 0 {
		c.MaxPerPartition = defaultMaxRecords
	}
	if c.MaxBytesPerPartition == 0 {
		c.MaxBytesPerPartition = defaultMaxBytes
	}
	if c.Deadline == 0 {
		c.Deadline = defaultDeadline
	}
}

// newOrigin draws a number that is not 0, which means none.
func newOrigin() uint64 {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails (crypto/rand)
		if n := binary.BigEndian.Uint64(b[:]); n != 0 {
			return n
		}
	}
}

// Origin is the random number by which readers tell this appender's repeats.
func (a *Appender) Origin() uint64 { return a.origin }

// Append hands one record over and returns at once. An error is a refusal: the
// record is surely not in the log, and done will not be called. Otherwise done
// is called exactly once, with an error only if the appender was closed or the
// broker refused the record; until then the record is retried. done must not
// block: all of an appender's callbacks run one after another. nil is allowed.
//
// The first append to a topic that Prepare was not told of waits for the
// brokers, a quarter of a second at most.
func (a *Appender) Append(r Record, done func(Appended, error)) error {
	reason, err := a.append(&r, done)
	if err != nil {
		a.log.metrics.refuse(r.Topic, reason)
	}
	return err
}

// append is Append without its count.
func (a *Appender) append(r *Record, done func(Appended, error)) (refusal, error) {
	if a.closed.Load() {
		return refusedClosed, ErrClosed
	}
	parts, err := a.partsOf(r.Topic)
	if err != nil {
		return refusedUnknown, err
	}
	reason, err := a.appendTo(parts, r, done)
	for reason == refusedRetired {
		if parts, err = a.partsOf(r.Topic); err == nil {
			reason, err = a.appendTo(parts, r, done)
		}
	}
	return reason, err
}

// appendTo is append once the partitions are known.
func (a *Appender) appendTo(parts *parts, r *Record, done func(Appended, error)) (refusal, error) {
	q := a.pool.Get().(*pending)
	p, err := parts.choose(r, &q.rec)
	if err != nil {
		a.recycle(q)
		return refusedUnknown, err
	}
	known := a.knows(parts)
	if reason, err := p.add(r, q, done); err != nil {
		a.recycle(q)
		return reason, err
	}
	now := r.Urgent
	if a.flight != nil {
		now = a.flight.accept()
	}
	if now {
		a.urge(known)
	}
	return "", nil
}

// unlinger sends what waits for company. The client can do so for one
// partition only inside its ProduceSync; its Flush stops all lingers before it
// waits, and does not wait under a context that has ended.
func (a *Appender) unlinger() {
	_ = a.client.Flush(a.ended) // says only that it did not wait
}

// urge is unlinger for a record that was appended when the client knew the
// topic already. Those before it get their partitions later and would linger
// then: a Flush that waits covers them.
func (a *Appender) urge(known bool) {
	if known {
		a.unlinger()
		return
	}
	go func() { _ = a.client.Flush(a.client.Context()) }() // says only that the client was closed
}

// knows says that the client has the topic's partitions: it asks the brokers
// itself, from the first record on.
func (a *Appender) knows(t *parts) bool {
	if !t.known.Load() {
		leader, _, _ := a.client.PartitionLeader(t.topic, 0)
		t.known.Store(leader >= 0)
	}
	return t.known.Load()
}

// AppendWait appends one record and waits for the broker. When ctx ends first
// the error is ErrInDoubt: the record is still retried and may be in the log.
func (a *Appender) AppendWait(ctx context.Context, r Record) (Appended, error) {
	if err := a.prepare(ctx, r.Topic); err != nil {
		return Appended{}, err
	}
	type end struct {
		at  Appended
		err error
	}
	c := make(chan end, 1)
	if err := a.Append(r, func(at Appended, err error) { c <- end{at, err} }); err != nil {
		return Appended{}, err
	}
	select {
	case e := <-c:
		return e.at, e.err
	case <-ctx.Done():
		return Appended{}, fmt.Errorf("append to %s: %w: %w", r.Topic, ErrInDoubt, context.Cause(ctx))
	}
}

// Prepare looks up the partitions of the topics, so that no Append to them
// waits. A missing topic is ErrUnknownTopic; while the brokers are away it goes
// on until ctx ends.
func (a *Appender) Prepare(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		if err := a.prepare(ctx, topic); err != nil {
			return err
		}
	}
	return nil
}

// Flush waits until everything that had been accepted when it was called is
// acknowledged, without lingering.
func (a *Appender) Flush(ctx context.Context) error {
	a.unlinger()
	var err error
	a.topics.Range(func(_, v any) bool {
		for _, p := range v.(*parts).parts {
			if err = p.wait(ctx); err != nil {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("flush appender: %w", err)
	}
	return nil
}

// Close refuses new records and ends the client at once: what is not
// acknowledged ends as ErrInDoubt. Call Flush before it.
func (a *Appender) Close() {
	if a.closed.Swap(true) {
		return
	}
	if a.cfg.Epochs != nil {
		a.cfg.Epochs.drop(a)
	}
	a.topics.Range(func(_, v any) bool {
		for _, p := range v.(*parts).parts {
			p.close()
		}
		return true
	})
	a.client.Close()
	a.line.open() // what it held ends too
}

// failure makes of the client's error one that callers can branch on.
func failure(topic string, err error) error {
	switch {
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("append to %s: %w", topic, ErrTooLarge)
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("append to %s: %w: %w", topic, ErrInDoubt, ErrClosed)
	}
	return fmt.Errorf("append to %s: %w: %w", topic, ErrInDoubt, err)
}
