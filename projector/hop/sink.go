package hop

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Backoff between tries, with full jitter.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// sink is ClickHouse as all partitions of a process share it.
type sink struct {
	log     *slog.Logger
	metrics *metrics
	writers chan *writer // free ones; whoever inserts takes one out and puts it back
	away    atomic.Bool  // the last try failed
}

func newSink(to target, log *slog.Logger, m *metrics) *sink {
	s := &sink{log: log, metrics: m, writers: make(chan *writer, inserters)}
	for range inserters {
		s.writers <- newWriter(to)
	}
	return s
}

// insert tries until it has worked or ctx is done, and calls alive before each
// try. ClickHouse being away is said once, and once that it is back.
func (s *sink) insert(ctx context.Context, name token, f *flush, alive func()) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		alive()
		err := s.try(ctx, name, f)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.metrics.retries.Add(ctx, 1)
		if !s.away.Swap(true) {
			s.log.Warn("clickhouse takes no rows, trying again", "err", err)
		}
		if err := pause(ctx, rand.N(wait)); err != nil {
			return err
		}
	}
}

func (s *sink) try(ctx context.Context, name token, f *flush) error {
	var w *writer
	select {
	case w = <-s.writers:
		defer func() { s.writers <- w }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	began := time.Now()
	if err := w.try(ctx, name, f); err != nil {
		return err
	}
	s.metrics.inserted(ctx, f, time.Since(began))
	if s.away.Swap(false) {
		s.log.Info("clickhouse takes rows again")
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
