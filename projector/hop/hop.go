package hop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"waybill/internal/eventlog"
)

// Config of a Projector. Log and DSN are needed.
type Config struct {
	Log *eventlog.Log
	// DSN of ClickHouse: http://user:password@host:port/database, or
	// clickhouse:// for the native protocol. Its tables exist already.
	DSN string
	// Flush is how long the first event of a flush waits (default 200 ms); while
	// inserts take long it waits longer, up to 600 ms.
	// Longer makes larger inserts, which cost the engine less; shorter makes
	// hops visible sooner.
	Flush time.Duration
	// MaxRows of all partitions of the process end a flush early (default
	// 100,000; a push has one if it ends soon, else six). About twice as many are
	// held, a few hundred bytes each, and what was read of the log for them.
	MaxRows int
	// Fetch tunes the reading. Default: the broker collects 128 KiB, 150 ms at most.
	Fetch eventlog.Fetch
	// Logger gets a line for each change of state; nil discards them.
	Logger *slog.Logger
	// Meter makes the instruments; nil measures nothing.
	Meter metric.Meter
	// Tracer exports a span for each hop of each push that has ended; nil
	// exports none.
	Tracer trace.Tracer
}

// Group is the consumer group of all hop projectors.
const Group = "waybill-hop"

// Found by measurement: under load flushes end by time, with tens of
// thousands of rows, which costs the engine less than more and smaller ones.
// While the projector keeps up they are read in pieces of about a millisecond's
// work, so that the pushes that share the cores do not wait for it: 2 MiB at once
// were to be seen in their p99. A backlog comes in larger ones, which cost less.
const (
	defaultFlush   = 200 * time.Millisecond
	defaultMaxRows = 100_000
	fetchMinBytes  = 128 << 10
	fetchMaxWait   = 150 * time.Millisecond
)

func (c Config) withDefaults() Config {
	if c.Flush == 0 {
		c.Flush = defaultFlush
	}
	if c.MaxRows == 0 {
		c.MaxRows = defaultMaxRows
	}
	if c.Fetch == (eventlog.Fetch{}) {
		c.Fetch = eventlog.Fetch{MinBytes: fetchMinBytes, MaxWait: fetchMaxWait, Reuse: true}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Meter == nil {
		c.Meter = noop.Meter{}
	}
	return c
}

// Projector writes the rows of the partitions that its group assigns to it.
type Projector struct {
	cfg     Config
	to      target
	rounds  *rounds
	repeats *repeats

	standing eventlog.Standing
}

// New connects to nothing yet: ClickHouse and the brokers may be away.
func New(cfg Config) (*Projector, error) {
	cfg = cfg.withDefaults()
	m, err := newMetrics(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("new hop projector: %w", err)
	}
	to, err := openTarget(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("new hop projector: %w", err)
	}
	s := newSink(to, cfg.Logger, m)
	return &Projector{cfg: cfg, to: to, rounds: newRounds(cfg, s), repeats: &repeats{log: cfg.Log, sink: s, tracer: cfg.Tracer}}, nil
}

// Run projects until ctx ends; a flush that is under way then is left to whoever
// comes next. It runs once.
func (p *Projector) Run(ctx context.Context) error {
	err := p.cfg.Log.Join(ctx, eventlog.GroupConfig{
		Group:         Group,
		Topics:        []string{eventlog.EventsTopic},
		TopicPrefixes: []string{eventlog.EventsTopic + ".", eventlog.UplinkPrefix},
		Serve:         p.serve,
		Fetch:         p.cfg.Fetch,
		Standing:      &p.standing,
	})
	p.rounds.wait()
	return errors.Join(err, p.to.close())
}

// Standing is nil while every partition that the group has given to this
// projector is loaded and read, else what it is about.
func (p *Projector) Standing() error { return p.standing.Err() }

func (p *Projector) serve(ctx context.Context, partition *eventlog.Partition) error {
	w := &worker{p: partition, rounds: p.rounds}
	return w.run(ctx, p.repeats)
}

type metrics struct {
	rows    metric.Int64Counter
	retries metric.Int64Counter
	took    metric.Float64Histogram
	tables  [3]metric.MeasurementOption
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	m := &metrics{}
	var errs [3]error
	m.rows, errs[0] = meter.Int64Counter("waybill.projector.hop.rows", metric.WithDescription("Rows inserted into ClickHouse, by table."))
	m.retries, errs[1] = meter.Int64Counter("waybill.projector.hop.retries", metric.WithDescription("Inserts that ClickHouse did not take."))
	m.took, errs[2] = meter.Float64Histogram("waybill.projector.hop.insert.duration", metric.WithUnit("s"), metric.WithDescription("Time to insert one flush."),
		metric.WithExplicitBucketBoundaries(.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30))
	for i, table := range [...]string{"hop_rows", "connections", "pushes"} {
		m.tables[i] = metric.WithAttributeSet(attribute.NewSet(attribute.String("table", table)))
	}
	return m, errors.Join(errs[:]...)
}

func (m *metrics) inserted(ctx context.Context, f *flush, took time.Duration) {
	for i, n := range [...]int{count(f.hops), count(f.connections), count(f.pushes)} {
		m.rows.Add(ctx, int64(n), m.tables[i])
	}
	m.took.Record(ctx, took.Seconds())
}
