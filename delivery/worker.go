package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sync/errgroup"

	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// Group is the consumer group of the delivery workers.
const Group = "waybill-delivery"

// Config of a Worker. Zero durations take their defaults.
type Config struct {
	Log  *eventlog.Log
	Node string // name of this process in events: delivery-1@host
	// Load reads a partition's snapshot. A worker that cannot read it claims
	// nothing, says so and tries again.
	Load func(ctx context.Context, topic string, partition int32) (*snapshot.Snapshot, error)
	// Users reads users of a partition again, all as of one moment; without wants,
	// how far the rows are. nil: everybody stays in memory.
	Users    func(ctx context.Context, topic string, partition int32, wants []mailbox.Want) (*snapshot.Users, error)
	Settings Settings
	// Policies are those in force now, and a channel that is closed when they may
	// be others. nil: Settings.Policy is that of every app.
	Policies func() (now Policies, changed <-chan struct{})
	// Revocations are those in force now, and a channel that is closed when they
	// may be others. Nobody changes the list. nil: there are none.
	Revocations func() (now []control.Revocation, changed <-chan struct{})
	// Epochs says when a partition's users are about to go on in the next epoch, and
	// when that is worth looking for. nil: nobody says it.
	Epochs *eventlog.Epochs
	// Session is the group's session timeout (default 10 s): for so long a killed
	// worker's partitions wait for another one.
	Session time.Duration
	Logger  *slog.Logger
	Meter   metric.Meter // nil measures nothing
}

// overlaps is for how many sessions a worker goes on with a partition that was
// given to another, which does not claim it: it cannot load, say.
const overlaps = 3

// outcomeLinger lets outcomes travel in company; nobody waits for them.
const outcomeLinger = 2 * time.Millisecond

// Worker serves the partitions that the group assigns to it.
type Worker struct {
	cfg       Config
	log       *slog.Logger
	meters    *meters
	gates     *gatesFeed
	standing  eventlog.Standing
	decisions *eventlog.Appender // of waybill.events: one producer for all keys
	commands  *eventlog.Appender // of waybill.dispatch, and the ticks of waybill.gates

	evicted func(n int) // for tests: so many users have left memory; nil in production
}

// New makes a worker; it does nothing until Run.
func New(cfg Config) (*Worker, error) {
	if cfg.Session == 0 {
		cfg.Session = 10 * time.Second
	}
	if cfg.Policies == nil {
		cfg.Policies = func() (Policies, <-chan struct{}) { return nil, nil }
	}
	if cfg.Revocations == nil {
		cfg.Revocations = func() ([]control.Revocation, <-chan struct{}) { return nil, nil }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := newMeters(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("make meters: %w", err)
	}
	w := &Worker{cfg: cfg, log: cfg.Logger.With("stage", "delivery"), meters: m, gates: newGatesFeed()}
	if w.decisions, err = cfg.Log.NewAppender(eventlog.AppenderConfig{Linger: outcomeLinger}); err != nil {
		return nil, fmt.Errorf("open appender of decisions: %w", err)
	}
	if w.commands, err = cfg.Log.NewAppender(eventlog.AppenderConfig{}); err != nil {
		w.decisions.Close()
		return nil, fmt.Errorf("open appender of commands: %w", err)
	}
	return w, nil
}

// Run works until ctx ends. It waits for the gates topic first: without it no
// lease can be judged.
func (w *Worker) Run(ctx context.Context) error {
	defer w.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.followGates(ctx) })
	g.Go(func() error { return w.tick(ctx) })
	g.Go(func() error {
		select {
		case <-w.gates.ready:
		case <-ctx.Done():
			return nil
		}
		return w.cfg.Log.Join(ctx, eventlog.GroupConfig{
			Group: Group, Topics: []string{eventlog.EventsTopic}, TopicPrefixes: []string{eventlog.EventsPrefix},
			Session: w.cfg.Session, Overlap: overlaps * w.cfg.Session, Serve: w.serve, Standing: &w.standing,
			Fetch: eventlog.Fetch{Reuse: true},
		})
	})
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("run delivery: %w", err)
	}
	return nil
}

// Standing is nil while the worker acts for every partition that the group has
// given to it, else what it is about.
func (w *Worker) Standing() error { return w.standing.Err() }

// close lets what has been decided reach the log, for a moment; what does not
// is said again by the next worker.
func (w *Worker) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = w.decisions.Flush(ctx)
	_ = w.commands.Flush(ctx)
	w.decisions.Close()
	w.commands.Close()
}

// tick keeps the time of waybill.gates going, so that the lease of a gate that
// is alone and silent lapses.
func (w *Worker) tick(ctx context.Context) error {
	t := time.NewTicker(w.cfg.Settings.Lease / 3)
	defer t.Stop()
	for {
		e := &schemas.Event{Kind: schemas.Kind_KIND_TICK, Node: w.cfg.Node, Time: time.Now().UnixMicro(), Tick: &schemas.Tick{}}
		if value, err := e.MarshalVT(); err == nil {
			// A refused tick is not repeated: the next one says the same.
			_ = w.commands.Append(eventlog.Record{Topic: eventlog.GatesTopic, Partition: eventlog.ByKey, Key: []byte("tick"), Value: value}, nil)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// serve owns one partition for as long as it is assigned.
func (w *Worker) serve(ctx context.Context, p *eventlog.Partition) error {
	log := w.log.With("topic", p.Topic(), "partition", p.Number())
	began := time.Now()
	snap, err := w.load(ctx, p)
	if err != nil {
		return fmt.Errorf("load snapshot of partition %d, claiming nothing: %w", p.Number(), err)
	}
	if snap.State.Sealed {
		return w.sweepAnew(ctx, p, snap)
	}
	if err := p.Start(snap.Next, snap.Serials); err != nil {
		return fmt.Errorf("start partition %d: %w", p.Number(), err)
	}
	if err := notBeyond(ctx, p, snap.Next); err != nil {
		return err
	}
	if p.Jumped() && snap.Next > 0 {
		return fmt.Errorf("partition %d: %w", p.Number(), errHole)
	}
	select {
	case <-p.Revoked():
		return nil // while it loaded
	default:
	}
	o := w.newOwner(p, snap, log)
	defer o.stop()
	w.meters.tookOver(time.Since(began))
	log.Info("partition assigned", "users", len(snap.State.Users), "absent", snap.State.Absent(), "from", snap.Next, "seconds", time.Since(began).Seconds())
	if err := o.run(ctx); err != nil || !o.core.State().Sealed {
		return err
	}
	return w.sweep(ctx, p, o.behind)
}

var errHole = errors.New("the snapshot is older than what the log retains: claiming nothing until the projector has caught up")

// notBeyond refuses a snapshot of another log: it is of a longer one than this,
// which has begun anew. The projector will find out and drop the rows.
func notBeyond(ctx context.Context, p *eventlog.Partition, next int64) error {
	end, err := p.End(ctx)
	if err != nil {
		return fmt.Errorf("find the end of partition %d: %w", p.Number(), err)
	}
	if next > end {
		return fmt.Errorf("the snapshot of partition %d is as of offset %d, the log ends at %d: claiming nothing until the projector has begun anew", p.Number(), next, end)
	}
	return nil
}

// reclaimAfter is how long an overtaken worker that is still assigned waits
// before it claims again: a session, so that whoever overtook it has had time
// to find out, plus jitter.
func (w *Worker) reclaimAfter() time.Duration {
	return w.cfg.Session + rand.N(w.cfg.Session/2)
}
