package eventlog

import (
	"context"
	"fmt"
	"sync"
)

// FollowConfig says what Follow reads.
type FollowConfig struct {
	Topic      string
	Partitions []int32 // nil = all
	Serve      PartitionFunc
	Fetch      Fetch
}

// Follow reads partitions that are assigned by hand. It waits for the topic,
// says so, and returns nil when ctx has ended and every PartitionFunc has
// returned, or when all of them have returned nil.
func (l *Log) Follow(ctx context.Context, cfg FollowConfig) error {
	n, err := retry(ctx, l, cfg.Topic, func(ctx context.Context) (int32, error) { return l.Partitions(ctx, cfg.Topic) })
	if err != nil {
		return nil // ctx has ended
	}
	numbers, err := cfg.numbers(n)
	if err != nil {
		return fmt.Errorf("follow %s: %w", cfg.Topic, err)
	}
	r, err := l.newReader(cfg.Fetch, "")
	if err != nil {
		return fmt.Errorf("follow %s: %w", cfg.Topic, err)
	}
	r.follow(ctx, cfg, numbers)
	return nil
}

func (c FollowConfig) numbers(n int32) ([]int32, error) {
	if c.Partitions == nil {
		for i := range n {
			c.Partitions = append(c.Partitions, i)
		}
	}
	for _, i := range c.Partitions {
		if i < 0 || i >= n {
			return nil, fmt.Errorf("%w: it has no number %d, only 0 to %d", ErrNoPartition, i, n-1)
		}
	}
	return c.Partitions, nil
}

func (r *reader) follow(ctx context.Context, cfg FollowConfig, numbers []int32) {
	polling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var polled, served sync.WaitGroup
	polled.Go(func() { r.run(polling) })
	serving, end := underLoss(ctx)
	defer end()
	for _, i := range numbers {
		served.Go(func() { r.serve(serving, place{cfg.Topic, i}, nil, cfg.Serve) })
	}
	served.Wait()
	stop()
	polled.Wait()
	r.close()
}

// underLoss is a context that ends with ErrLost when ctx ends.
func underLoss(ctx context.Context) (context.Context, func()) {
	under, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(ErrLost) })
	return under, func() {
		stop()
		cancel(ErrLost)
	}
}
