package eventlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// askTopic asks the brokers themselves: what the client remembers of a topic
// that was missing a moment ago is old.
func (l *Log) askTopic(ctx context.Context, name string) (topic, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &name
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, l.client)
	if err != nil {
		return topic{}, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	if len(resp.Topics) != 1 {
		return topic{}, fmt.Errorf("%w: %w", ErrBusy, errShortAnswer)
	}
	got := resp.Topics[0]
	switch err := kerr.ErrorForCode(got.ErrorCode); {
	case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException):
		return topic{}, fmt.Errorf("%w: %w", ErrUnknownTopic, err)
	case err != nil:
		return topic{}, fmt.Errorf("%w: %w", ErrBusy, err)
	case len(got.Partitions) == 0:
		return topic{}, fmt.Errorf("%w: it has no partitions yet", ErrBusy)
	}
	return topic{partitions: int32(len(got.Partitions)), id: got.TopicID}, nil
}
