package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// lookupTimeout bounds one question about a topic; whoever waits longer asks
// again.
const lookupTimeout = 5 * time.Second

// Partitions is the number of partitions of a topic: asked once, since keyed
// topics never get more. A missing topic is ErrUnknownTopic, brokers that do
// not answer are ErrBusy.
func (l *Log) Partitions(ctx context.Context, topic string) (int32, error) {
	l.mu.Lock()
	n, ok := l.counts[topic]
	l.mu.Unlock()
	if ok {
		return n, nil
	}
	n, err := l.count(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("look up %s: %w", topic, err)
	}
	l.mu.Lock()
	l.counts[topic] = n
	l.mu.Unlock()
	return n, nil
}

func (l *Log) count(ctx context.Context, topic string) (int32, error) {
	topics, err := l.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	detail, ok := topics[topic]
	switch {
	case !ok, errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
		return 0, ErrUnknownTopic
	case errors.Is(detail.Err, kerr.InvalidTopicException):
		return 0, fmt.Errorf("%w: %w", ErrUnknownTopic, detail.Err)
	case detail.Err != nil:
		return 0, fmt.Errorf("%w: %w", ErrBusy, detail.Err)
	case len(detail.Partitions) == 0:
		return 0, fmt.Errorf("%w: it has no partitions yet", ErrBusy)
	}
	return int32(len(detail.Partitions)), nil
}
