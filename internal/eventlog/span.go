package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// span is what a partition holds: offsets from start up to before end.
type span struct{ start, end int64 }

// place is where to read from, for an offset that somebody asks for.
func (s span) place(offset int64) int64 {
	switch {
	case offset == FromEnd:
		return s.end
	case offset < s.start, offset > s.end:
		return s.start
	}
	return offset
}

// span asks the partition's leader.
func (l *Log) span(ctx context.Context, topic string, partition int32) (span, error) {
	start, err := l.listOffset(ctx, topic, partition, oldest)
	if err != nil {
		return span{}, err
	}
	end, err := l.listOffset(ctx, topic, partition, newest)
	return span{start, end}, err
}

// OffsetAt is the offset of the first record whose broker time, in microseconds,
// is not before at; the partition's end where there is none.
func (p *Partition) OffsetAt(ctx context.Context, at int64) (int64, error) {
	offset, err := p.r.log.listOffset(ctx, p.topic, p.number, max(at/1000, 0))
	if err == nil && offset < 0 {
		offset, err = p.End(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("look up a time in %s/%d: %w", p.topic, p.number, err)
	}
	return offset, nil
}

// The timestamps with which Kafka's ListOffsets asks for an end of the log.
const (
	newest = -1
	oldest = -2
)

// listOffset asks for one end of the log, or for the first record that is not
// before a time in milliseconds: -1 = there is none.
func (l *Log) listOffset(ctx context.Context, topic string, partition int32, at int64) (int64, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, at
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, l.client)
	if err != nil {
		return 0, fmt.Errorf("list offsets: %w", err)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, fmt.Errorf("list offsets: %w", errShortAnswer)
	}
	got := resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return 0, fmt.Errorf("list offsets: %w", err)
	}
	return got.Offset, nil
}

var errShortAnswer = errors.New("the broker did not answer for the partition")

// retry asks again until there is an answer or ctx ends, whose cause it
// returns. It says once for what it waits, and that it goes on.
func retry[T any](ctx context.Context, l *Log, what string, ask func(context.Context) (T, error)) (T, error) {
	for tries := 1; ; tries++ {
		once, cancel := context.WithTimeout(ctx, lookupTimeout)
		got, err := ask(once)
		cancel()
		if err == nil {
			if tries > 1 {
				l.cfg.Log.Info("the wait is over", "for", what)
			}
			return got, nil
		}
		if tries == 1 {
			l.cfg.Log.Warn("waiting", "for", what, "err", err)
		}
		select {
		case <-time.After(retryBackoff(tries)):
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}
