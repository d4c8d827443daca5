package outcomes

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"waybill/internal/eventlog"
)

// Group is the consumer group of the feed.
const Group = "waybill-outcomes"

// Config of a Feed. Log and Apps are needed.
type Config struct {
	Log *eventlog.Log
	// Apps are those that are told, each with the broker's time in microseconds
	// from which on, and a channel that is closed when they may be others. Without
	// any, nothing is read.
	Apps func() (since map[string]int64, changed <-chan struct{})
	// Session is the group's session timeout (default 10 s): for so long the
	// partitions of a process that was killed wait for another one.
	Session time.Duration
	// Logger gets a line for each change of state; nil discards them.
	Logger *slog.Logger
	Meter  metric.Meter // nil measures nothing
}

// Nobody waits for an outcome, and for nobody_connected, which comes after
// seconds, these tenths do not count: large requests cost the feed and the broker
// less than many.
const (
	linger        = 25 * time.Millisecond
	fetchMinBytes = 256 << 10
	fetchMaxWait  = 250 * time.Millisecond
)

// Feed tells the outcomes of the partitions that its group assigns to it.
type Feed struct {
	cfg      Config
	log      *slog.Logger
	meters   *meters
	appender *eventlog.Appender // of all apps' topics

	reading  atomic.Bool // some app is told
	standing eventlog.Standing
}

// New makes a feed; it does nothing until Run.
func New(cfg Config) (*Feed, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMeters(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("new feed of outcomes: %w", err)
	}
	a, err := cfg.Log.NewAppender(eventlog.AppenderConfig{Linger: linger})
	if err != nil {
		return nil, fmt.Errorf("new feed of outcomes: %w", err)
	}
	return &Feed{cfg: cfg, log: cfg.Logger.With("stage", "delivery", "feed", "outcomes"), meters: m, appender: a}, nil
}

// Run tells outcomes until ctx ends. While no app wants any it is no member of
// its group.
func (f *Feed) Run(ctx context.Context) error {
	defer f.appender.Close()
	for ctx.Err() == nil {
		apps, changed := f.cfg.Apps()
		if len(apps) > 0 {
			if err := f.read(ctx); err != nil {
				return fmt.Errorf("run feed of outcomes: %w", err)
			}
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return nil
}

// read is a member of the group until no app is told any more, or ctx ends.
func (f *Feed) read(ctx context.Context) error {
	ctx, leave := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer leave()
		f.wanted(ctx)
	})
	defer watching.Wait()
	defer leave()
	f.reading.Store(true)
	defer f.reading.Store(false)
	return f.cfg.Log.Join(ctx, eventlog.GroupConfig{
		Group: Group, Topics: []string{eventlog.EventsTopic}, TopicPrefixes: []string{eventlog.EventsTopic + "."},
		Session: f.cfg.Session, Serve: f.serve, Standing: &f.standing,
		Fetch: eventlog.Fetch{MinBytes: fetchMinBytes, MaxWait: fetchMaxWait, Reuse: true},
	})
}

// wanted returns when no app is told any more, or ctx has ended.
func (f *Feed) wanted(ctx context.Context) {
	for apps, changed := f.cfg.Apps(); len(apps) > 0; apps, changed = f.cfg.Apps() {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Standing is nil while the feed tells the outcomes of every partition that the
// group has given to it, or none are wanted; else what it is about.
func (f *Feed) Standing() error {
	if !f.reading.Load() {
		return nil
	}
	return f.standing.Err()
}
