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

// topic is what does not change while a topic exists: keyed ones never get more
// partitions, their next epoch is another topic.
type topic struct {
	partitions int32
	id         [16]byte
}

// Partitions is the number of partitions of a topic; asked once. A missing
// topic is ErrUnknownTopic, brokers that do not answer are ErrBusy.
func (l *Log) Partitions(ctx context.Context, name string) (int32, error) {
	t, err := l.topic(ctx, name)
	return t.partitions, err
}

func (l *Log) topicID(ctx context.Context, name string) ([16]byte, error) {
	t, err := l.topic(ctx, name)
	return t.id, err
}

func (l *Log) topic(ctx context.Context, name string) (topic, error) {
	l.mu.Lock()
	t, ok := l.topics[name]
	l.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := l.askTopic(ctx, name)
	if err != nil {
		return topic{}, fmt.Errorf("look up %s: %w", name, err)
	}
	l.mu.Lock()
	l.topics[name] = t
	l.mu.Unlock()
	return t, nil
}

func (l *Log) askTopic(ctx context.Context, name string) (topic, error) {
	all, err := l.admin.ListTopics(ctx, name)
	if err != nil {
		return topic{}, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	got, ok := all[name]
	switch {
	case !ok, errors.Is(got.Err, kerr.UnknownTopicOrPartition):
		return topic{}, ErrUnknownTopic
	case errors.Is(got.Err, kerr.InvalidTopicException):
		return topic{}, fmt.Errorf("%w: %w", ErrUnknownTopic, got.Err)
	case got.Err != nil:
		return topic{}, fmt.Errorf("%w: %w", ErrBusy, got.Err)
	case len(got.Partitions) == 0:
		return topic{}, fmt.Errorf("%w: it has no partitions yet", ErrBusy)
	}
	return topic{partitions: int32(len(got.Partitions)), id: got.ID}, nil
}
