package eventlog

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"waybill/schemas"
)

// ErrGone says that the log does not hold the record any more: retention has
// passed it.
var ErrGone = errors.New("the log does not go back so far")

// ErrNoRecord says that there is no such record: the place is beyond the log's
// end, or of an epoch that it never had, or what stands there is about another
// key, or no event.
var ErrNoRecord = errors.New("the log has no such record")

// findBytes is what one answer brings: the batch with the record, mostly.
const findBytes = 64 << 10

// Find reads one record of waybill.events by its position and its key, which
// together say its partition. It opens a client for it: for now and then, not
// for what is done all the time. Brokers that are away are waited for as long
// as ctx allows.
func (l *Log) Find(ctx context.Context, at schemas.Position, key []byte) (Entry, error) {
	topic := EventsOf(at.Epoch())
	e, err := l.find(ctx, topic, at, key)
	if err != nil {
		return Entry{}, fmt.Errorf("find %v in %s: %w", at, topic, err)
	}
	return e, nil
}

func (l *Log) find(ctx context.Context, topic string, at schemas.Position, key []byte) (Entry, error) {
	n, err := l.Partitions(ctx, topic)
	switch {
	case errors.Is(err, ErrUnknownTopic) && at.Epoch() > 0:
		return Entry{}, ErrNoRecord
	case err != nil:
		return Entry{}, err
	}
	partition := int32(keyHash(topic).Partition(&kgo.Record{Key: key}, int(n)))
	holds, err := l.span(ctx, topic, partition)
	switch {
	case err != nil:
		return Entry{}, err
	case at == 0 || at.Offset() >= holds.end:
		return Entry{}, ErrNoRecord
	case at.Offset() < holds.start:
		return Entry{}, ErrGone
	}
	r, err := l.fetchOne(ctx, place{topic, partition}, at.Offset())
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Position: at, Offset: r.Offset, Time: r.Timestamp.UnixMicro(), Key: r.Key, Value: r.Value, Event: new(schemas.Event)}
	if r.Offset != at.Offset() || string(r.Key) != string(key) || unmarshal(e.Event, r.Value) != nil {
		return Entry{}, ErrNoRecord
	}
	return e, nil
}

// fetchOne is the first record that is not before the offset.
func (l *Log) fetchOne(ctx context.Context, at place, offset int64) (*kgo.Record, error) {
	client, err := kgo.NewClient(l.options(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{at.topic: {at.partition: kgo.NewOffset().At(offset)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(findBytes), kgo.FetchMaxPartitionBytes(findBytes),
	)...)
	if err != nil {
		return nil, fmt.Errorf("open client: %w", err)
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if records := fetches.Records(); len(records) > 0 {
			return records[0], nil
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := fetches.Err(); errors.Is(err, kerr.OffsetOutOfRange) {
			return nil, ErrGone // since a moment ago
		} else if err != nil {
			return nil, fmt.Errorf("fetch: %w", err)
		}
	}
}
