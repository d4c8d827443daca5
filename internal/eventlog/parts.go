package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// parts are the partitions of one topic, as one appender sees them.
type parts struct {
	topic string
	hash  kgo.TopicPartitioner
	parts []*part
	known atomic.Bool // to the client, which asks the brokers itself
}

// keyHash is the hash of Kafka's Java client. It keeps no state for records
// with a key, so that all goroutines may share it.
func keyHash(topic string) kgo.TopicPartitioner {
	return kgo.StickyKeyPartitioner(nil).ForTopic(topic)
}

// PartitionsOf says which of n partitions a key has, as the appenders choose it.
// What it returns is for one goroutine.
func PartitionsOf(n int32) func(key []byte) int32 {
	hash, probe := keyHash(""), new(kgo.Record)
	return func(key []byte) int32 {
		probe.Key = key
		return int32(hash.Partition(probe, int(n)))
	}
}

// choose finds the record's partition; probe is any record, to be overwritten.
func (t *parts) choose(r *Record, probe *kgo.Record) (*part, error) {
	n := int32(len(t.parts))
	switch {
	case r.Partition >= 0 && r.Partition < n:
		return t.parts[r.Partition], nil
	case r.Partition != ByKey:
		return nil, fmt.Errorf("append to %s: %w: it has no number %d, only 0 to %d", t.topic, ErrNoPartition, r.Partition, n-1)
	case n == 1:
		return t.parts[0], nil
	case r.Key == nil:
		return nil, fmt.Errorf("append to %s: %w: it has neither key nor number", t.topic, ErrNoPartition)
	}
	probe.Key = r.Key
	return t.parts[t.hash.Partition(probe, int(n))], nil
}

// lookupWait is how long an Append to an unprepared topic waits for the
// brokers: a round trip, not an outage.
const lookupWait = 250 * time.Millisecond

// lookup asks for the partitions of a topic once, for all who wait.
type lookup struct {
	done chan struct{} // closed by the goroutine that asks
	err  error         // readable when done is closed
}

// partsOf never waits for a topic that has been looked up.
func (a *Appender) partsOf(topic string) (*parts, error) {
	if a.follows(topic) {
		return a.line.current()
	}
	if v, ok := a.topics.Load(topic); ok {
		return v.(*parts), nil
	}
	ask, fresh := a.ask(topic)
	if err := ask.wait(fresh); err != nil {
		return nil, fmt.Errorf("append to %s: %w", topic, err)
	}
	v, _ := a.topics.Load(topic)
	return v.(*parts), nil
}

// ask begins a lookup, or joins the one that is under way.
func (a *Appender) ask(topic string) (l *lookup, fresh bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l, ok := a.lookups[topic]; ok {
		return l, false
	}
	l = &lookup{done: make(chan struct{})}
	a.lookups[topic] = l
	go a.look(topic, l)
	return l, true
}

// wait gives whoever began the lookup a moment; who finds it under way finds
// the brokers slow, and is refused at once.
func (l *lookup) wait(fresh bool) error {
	if !fresh {
		select {
		case <-l.done:
			return l.err
		default:
			return fmt.Errorf("%w: its partitions are being looked up", ErrBusy)
		}
	}
	timer := time.NewTimer(lookupWait)
	defer timer.Stop()
	select {
	case <-l.done:
		return l.err
	case <-timer.C:
		return fmt.Errorf("%w: the brokers have not said its partitions yet", ErrBusy)
	}
}

// look asks the brokers for the lookup and ends it.
func (a *Appender) look(topic string, l *lookup) {
	ctx, cancel := context.WithTimeout(a.client.Context(), lookupTimeout)
	defer cancel()
	n, err := a.log.Partitions(ctx, topic)
	if err == nil {
		a.topics.LoadOrStore(topic, a.newParts(topic, n))
	}
	l.err = err
	a.mu.Lock()
	delete(a.lookups, topic)
	a.mu.Unlock()
	close(l.done)
}

// newParts are the partitions of a topic that was just looked up.
func (a *Appender) newParts(topic string, n int32) *parts {
	t := &parts{topic: topic, hash: keyHash(topic)}
	for i := range n {
		t.parts = append(t.parts, &part{a: a, topic: topic, number: i, epoch: Epoch(topic)})
	}
	return t
}

// prepare waits for the partitions of a topic as long as ctx allows.
func (a *Appender) prepare(ctx context.Context, topic string) error {
	if a.follows(topic) {
		return a.line.wait(ctx)
	}
	for tries := 1; ; tries++ {
		if _, ok := a.topics.Load(topic); ok {
			return nil
		}
		if a.closed.Load() {
			return fmt.Errorf("look up %s: %w", topic, ErrClosed)
		}
		ask, _ := a.ask(topic)
		select {
		case <-ask.done:
		case <-ctx.Done():
			return fmt.Errorf("look up %s: %w: %w", topic, ErrBusy, context.Cause(ctx))
		}
		if ask.err == nil {
			return nil
		}
		if !errors.Is(ask.err, ErrBusy) {
			return fmt.Errorf("append to %s: %w", topic, ask.err)
		}
		select {
		case <-time.After(retryBackoff(tries)):
		case <-ctx.Done(): // told above
		}
	}
}
