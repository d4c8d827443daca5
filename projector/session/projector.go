package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric"
)

// Group is the consumer group of this projector.
const Group = "waybill-projector-session"

// Config of a Projector.
type Config struct {
	// Log is where waybill.events is read.
	Log *eventlog.Log
	// DSN is the address of Postgres, as pgx takes it. Commits do not wait for
	// the disk unless it says synchronous_commit=on: what a crash of the server
	// takes comes back from the log, since the offset goes with it.
	DSN string
	// Flush is the time between an event's arrival and its flush; at most
	// 500 ms, which is the default; while flushes take long it grows, up to a second.
	// Shorter costs Postgres more, longer makes a takeover read more of the log.
	Flush time.Duration
	// Events is how many events at most are flushed at once; default 200,000.
	// Their size is bounded too, by 32 MiB.
	Events int
	Logger *slog.Logger // nil = none
	Meter  metric.Meter // nil = none
}

const (
	defaultFlush  = longestFlush
	longestFlush  = 500 * time.Millisecond
	longestPace   = time.Second // a takeover reads so much more of the log
	defaultEvents = 200_000
	// cutBytes bounds the bodies that one transaction carries.
	cutBytes = 32 << 20
)

// fetch asks for few large answers: reading in small ones costs both sides
// several times the CPU, and a flush waits for more events anyway. But what
// comes at once is worked through at once, before the pushes that share the
// cores: 128 KiB are about a millisecond, 1 MiB was to be seen in their p99.
func fetch() eventlog.Fetch {
	return eventlog.Fetch{MinBytes: 128 << 10, MaxWait: 100 * time.Millisecond, Reuse: true}
}

// Projector reads the partitions that its group gives it.
type Projector struct {
	cfg     Config
	pool    *pgxpool.Config
	metrics *metrics
	link    *link
	group   string

	standing eventlog.Standing
	carrier  carrier

	db    *pgxpool.Pool // from Run on
	hooks hooks
}

// hooks are for tests: nil in production.
type hooks struct {
	folded       func(next int64)
	beforeCommit func(*snapshot.Cut) error
	stored       func(*snapshot.Cut)
}

// New checks the configuration and connects to nothing.
func New(cfg Config) (*Projector, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, fmt.Errorf("new session projector: %w", err)
	}
	pool, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("new session projector: %w", err)
	}
	setDefault(pool.ConnConfig.RuntimeParams, "synchronous_commit", "off")
	setDefault(pool.ConnConfig.RuntimeParams, "application_name", Group)
	m, err := newMetrics(cfg.Meter)
	if err != nil {
		return nil, fmt.Errorf("new session projector: %w", err)
	}
	return &Projector{cfg: cfg, pool: pool, metrics: m, link: newLink(cfg.Logger, pool.ConnConfig), group: Group}, nil
}

// setDefaults fills in what was left out, and refuses what cannot be.
func (c *Config) setDefaults() error {
	if c.Flush == 0 {
		c.Flush = defaultFlush
	}
	if c.Events == 0 {
		c.Events = defaultEvents
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Log == nil:
		return errors.New("no log")
	case c.Flush < 0 || c.Flush > longestFlush:
		return fmt.Errorf("flush is %v: more than 0 and at most %v is allowed", c.Flush, longestFlush)
	case c.Events < 0:
		return fmt.Errorf("events is %d: at least 1 is allowed", c.Events)
	}
	return nil
}

// setDefault leaves what the address says.
func setDefault(params map[string]string, key, value string) {
	if _, there := params[key]; !there {
		params[key] = value
	}
}

// Run projects until ctx ends, then flushes once more. It waits for Postgres,
// for its tables and for the topic, and says for what.
func (p *Projector) Run(ctx context.Context) error {
	var err error
	if p.db, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), p.pool); err != nil {
		return fmt.Errorf("run session projector: %w", err)
	}
	defer p.db.Close()
	err = p.cfg.Log.Join(ctx, eventlog.GroupConfig{
		Group: p.group, Topics: []string{eventlog.EventsTopic}, TopicPrefixes: []string{eventlog.EventsPrefix},
		Serve: p.serve, Fetch: fetch(), Standing: &p.standing,
	})
	if err != nil {
		return fmt.Errorf("run session projector: %w", err)
	}
	return nil
}

// Standing is nil while every partition that the group has given to this
// projector is loaded and read, else what it is about.
func (p *Projector) Standing() error { return p.standing.Err() }
