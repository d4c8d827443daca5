package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"

	"waybill/internal/control"
	"waybill/internal/eventlog"
)

// IntakeGroup is the consumer group that reads the apps' intake topics.
const IntakeGroup = "waybill.intake"

// IntakeConfig of an Intake. Zero values take the defaults.
type IntakeConfig struct {
	Log     *eventlog.Log
	Control *control.View
	// Epochs as Config has it.
	Epochs *eventlog.Epochs
	// Node is what stands in the events.
	Node string
	// Session is how long the group waits for a member that is gone (default
	// 10 s): so long do the records of its partitions wait.
	Session time.Duration
	Logger  *slog.Logger // nil discards
	Meter   metric.Meter // nil measures nothing
}

// Intake takes the pushes that app-servers produce to waybill.intake.<app>
// themselves: it checks each record as a call of the push API would be, and
// appends its pushes to waybill.events under their users' keys.
type Intake struct {
	cfg      IntakeConfig
	appender *eventlog.Appender
	metrics  *intakeMetrics
}

// NewIntake opens an appender; Run closes it.
func NewIntake(cfg IntakeConfig) (*Intake, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newIntakeMetrics(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("open intake: %w", err)
	}
	appender, err := cfg.Log.NewAppender(eventlog.AppenderConfig{Epochs: cfg.Epochs})
	if err != nil {
		return nil, fmt.Errorf("open intake: %w", err)
	}
	return &Intake{cfg: cfg, appender: appender, metrics: m}, nil
}

// Run reads until ctx ends. What it has not confirmed by then is read again,
// by whoever has the partition next, under the same push ids.
func (x *Intake) Run(ctx context.Context) error {
	defer x.appender.Close()
	select {
	case <-x.cfg.Control.Ready():
	case <-ctx.Done():
		return nil
	}
	if err := x.appender.Prepare(ctx, eventlog.EventsTopic); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("prepare intake: %w", err)
	}
	err := x.cfg.Log.Join(ctx, eventlog.GroupConfig{
		Group: IntakeGroup, TopicPrefixes: []string{eventlog.IntakePrefix}, Session: x.cfg.Session, Serve: x.serve,
	})
	if err != nil {
		return fmt.Errorf("read intake topics: %w", err)
	}
	return nil
}

// errNoApp keeps a topic waiting: its app was not created yet, or has been
// removed.
var errNoApp = errors.New("no app of that name is set: `waybill migrate --apps FILE` sets it")

// commitWait bounds one commit. It may come after the partition was taken away.
const commitWait = 5 * time.Second

// serve takes batch after batch of one partition. The offset is stored when the
// log has all pushes of a batch, so a record is never left out; one that is
// read twice makes no second push.
func (x *Intake) serve(ctx context.Context, p *eventlog.Partition) error {
	t := &taking{Intake: x, partition: p, app: strings.TrimPrefix(p.Topic(), eventlog.IntakePrefix), refusals: newBucket()}
	from, _, err := p.Committed(ctx)
	if err != nil {
		return fmt.Errorf("read the stored offset of %s/%d: %w", p.Topic(), p.Number(), err)
	}
	if from < 0 {
		from = eventlog.FromStart
	}
	if err := t.known(); err != nil {
		return err
	}
	if err := p.Start(from, nil); err != nil {
		return err
	}
	for {
		batch, err := p.Next(ctx)
		if err != nil {
			return nil // the partition was taken away
		}
		if err := t.take(ctx, batch); err != nil {
			return err
		}
	}
}

// take puts a batch into the log and stores the offset behind it.
func (t *taking) take(ctx context.Context, batch eventlog.Batch) error {
	if err := t.known(); err != nil {
		return err
	}
	if err := t.records(ctx, batch.Entries); err != nil {
		return fmt.Errorf("take %s/%d: %w", t.partition.Topic(), t.partition.Number(), err)
	}
	commit, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitWait)
	defer cancel()
	if err := t.partition.Commit(commit, batch.Next, ""); err != nil && !errors.Is(err, eventlog.ErrLost) {
		return fmt.Errorf("store the offset of %s/%d: %w", t.partition.Topic(), t.partition.Number(), err)
	}
	return nil
}

// known says whether the app is set.
func (t *taking) known() error {
	if _, ok := t.cfg.Control.App(t.app); !ok {
		return fmt.Errorf("read %s: %w", t.partition.Topic(), errNoApp)
	}
	return nil
}
