package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"waybill/internal/eventlog"
)

// Addresses of the engines.
type Addresses struct {
	Kafka      []string // host:port of brokers to begin with
	Postgres   string   // DSN as pgx takes it
	ClickHouse string   // DSN as clickhouse-go takes it
}

// Base is what all stages of a process share.
type Base struct {
	Addresses
	Host   string // in node names: gate-1@host
	Logger *slog.Logger
	Meter  metric.Meter
	Tracer trace.Tracer     // nil: no spans are exported
	Faults *eventlog.Faults // tests only
	// OnStuck is called when a partition of the log has been stuck for a minute;
	// nil logs it.
	OnStuck func(topic string, partition int32, waiting time.Duration)
}

// node is the name of a process of that stage.
func (b Base) node(stage string, number uint32) string {
	return fmt.Sprintf("%s-%d@%s", stage, number, b.Host)
}

func (b Base) open(node string) (*eventlog.Log, error) {
	l, err := eventlog.Open(eventlog.Config{
		Brokers: b.Kafka, Node: node, Log: b.Logger, Meter: b.Meter, Faults: b.Faults, OnStuck: b.OnStuck,
	})
	if err != nil {
		return nil, fmt.Errorf("open the log for %s: %w", node, err)
	}
	return l, nil
}

// Stage is one part that runs, with what it alone uses.
type Stage struct {
	Name  string
	base  Base
	needs needs                         // waited for before the parts begin
	parts []func(context.Context) error // run together; the first error ends all
	close []func()                      // last first, when all have returned
	ready <-chan struct{}               // closed when it works; nil: at once
	check func() error                  // nil when it works now; may be nil itself
	addr  func() string                 // nil: it listens nowhere
	waits waits
}

// Run waits for the engines and for what `waybill migrate` makes in them, then
// runs the stage until ctx ends, and frees what it uses.
func (s *Stage) Run(ctx context.Context) error {
	defer s.Close()
	err := await(ctx, s.base, s.needs, s.base.Logger.With("stage", s.Name), s.waits.show)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	// A stage that is to end while it waits runs its parts too, for an instant:
	// they close what was opened for them.
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range s.parts {
		g.Go(func() error { return part(ctx) })
	}
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	return nil
}

// Close frees what a stage that never ran uses.
func (s *Stage) Close() {
	for i := len(s.close) - 1; i >= 0; i-- {
		s.close[i]()
	}
	s.close = nil
}

// Addr is where it listens, once it is ready; empty where it does not.
func (s *Stage) Addr() string {
	if s.addr == nil {
		return ""
	}
	return s.addr()
}

// Running is a stage at work.
type Running struct {
	*Stage
	ctx    context.Context // ends when it is to drain
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended; err is set before
	err    error
}

// Start lets the stage work in the background.
func (s *Stage) Start(ctx context.Context) *Running {
	ctx, cancel := context.WithCancel(ctx)
	r := &Running{Stage: s, ctx: ctx, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Run(ctx)
	}()
	return r
}

// Stop drains the stage and waits for its end.
func (r *Running) Stop() error {
	r.cancel()
	<-r.done
	return r.err
}

// Standing is nil while the stage does its work, else why it does not, in words
// that follow its name.
func (r *Running) Standing() error {
	switch {
	case ended(r.done):
		return errEnded
	case r.ctx.Err() != nil:
		return errDraining
	}
	if err := r.waits.err(); err != nil {
		return err
	}
	if r.ready != nil && !ended(r.ready) {
		return errStarting
	}
	if r.check == nil {
		return nil
	}
	return r.check()
}

// Standing is nil while all of the stages do their work, else one sentence of
// what the others are about.
func Standing(stages []*Running) error {
	var all []string
	for _, r := range stages {
		if err := r.Standing(); err != nil {
			all = append(all, r.Name+" "+err.Error())
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// Failed waits until one of the stages ends by itself and says why; nil when
// ctx ends first.
func Failed(ctx context.Context, stages []*Running) error {
	ended := make(chan *Running, len(stages))
	for _, r := range stages {
		go func() {
			select {
			case <-r.done:
				ended <- r
			case <-ctx.Done():
			}
		}()
	}
	select {
	case r := <-ended:
		if r.err == nil {
			return fmt.Errorf("%s ended by itself", r.Name)
		}
		return r.err
	case <-ctx.Done():
		return nil
	}
}

// What a stage may be doing instead of its work.
var (
	errStarting = errors.New("is starting")
	errDraining = errors.New("is draining")
	errEnded    = errors.New("has ended")
)

func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// WaitReady waits until the stage does its work, or has ended.
func (r *Running) WaitReady(ctx context.Context) error {
	if r.ready == nil {
		return nil
	}
	select {
	case <-r.ready:
		return nil
	case <-r.done:
		return fmt.Errorf("%s ended before it was ready: %w", r.Name, errors.Join(r.err, context.Cause(ctx)))
	case <-ctx.Done():
		return fmt.Errorf("wait for %s: %w", r.Name, ctx.Err())
	}
}
