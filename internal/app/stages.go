package app

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"waybill/console"
	"waybill/delivery"
	"waybill/delivery/outcomes"
	"waybill/ingest"
	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/snapshot"
	"waybill/projector/hop"
	"waybill/projector/session"
)

// IngestConfig of the push API.
type IngestConfig struct {
	Number  uint32
	Listen  string        // host:port for app-servers
	Session time.Duration // of the group that reads the intake topics; 0 = 10 s
}

// NewIngest is the front door of the log for app-servers: HTTP and the intake
// topics.
func NewIngest(b Base, cfg IngestConfig) (*Stage, error) {
	node := b.node("ingest", cfg.Number)
	log, err := b.open(node)
	if err != nil {
		return nil, err
	}
	view, epochs := control.Open(log), log.NewEpochs()
	s, err := ingest.New(ingest.Config{Log: log, Control: view, Epochs: epochs, Listen: cfg.Listen, Node: node, Logger: b.Logger, Meter: b.Meter})
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("make ingest: %w", err)
	}
	intake, err := ingest.NewIntake(ingest.IntakeConfig{
		Log: log, Control: view, Epochs: epochs, Node: node, Session: cfg.Session, Logger: b.Logger, Meter: b.Meter,
	})
	if err != nil {
		s.Close()
		log.Close()
		return nil, fmt.Errorf("make ingest: %w", err)
	}
	return &Stage{
		Name: node, base: b, needs: needs{topics: []string{eventlog.EventsTopic, eventlog.GatesTopic, eventlog.ControlTopic}},
		parts: []func(context.Context) error{view.Run, epochs.Run, s.Run, intake.Run},
		close: []func(){log.Close}, ready: s.Ready(), check: started(view.Ready()), addr: s.Addr,
	}, nil
}

// DeliveryConfig of a delivery worker.
type DeliveryConfig struct {
	Number   uint32
	Settings delivery.Settings
	Session  time.Duration // of the consumer group; 0 = 10 s
}

// NewDelivery is a delivery worker.
func NewDelivery(b Base, cfg DeliveryConfig) (*Stage, error) {
	node := b.node("delivery", cfg.Number)
	log, err := b.open(node)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(context.Background(), b.Postgres)
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("open postgres: %w", err)
	}
	view, epochs := control.Open(log), log.NewEpochs()
	w, err := delivery.New(delivery.Config{
		Log: log, Node: node, Epochs: epochs, Settings: cfg.Settings, Session: cfg.Session, Logger: b.Logger, Meter: b.Meter,
		Policies:    func() (delivery.Policies, <-chan struct{}) { return policies(view) },
		Revocations: view.Revocations,
		Load: func(ctx context.Context, topic string, partition int32) (*snapshot.Snapshot, error) {
			return snapshot.LoadPresent(ctx, pool, topic, partition, cfg.Settings.Mailbox)
		},
		Users: func(ctx context.Context, topic string, partition int32, wants []mailbox.Want) (*snapshot.Users, error) {
			return snapshot.LoadUsers(ctx, pool, topic, partition, wants)
		},
	})
	if err != nil {
		pool.Close()
		log.Close()
		return nil, fmt.Errorf("make delivery worker: %w", err)
	}
	feed, err := outcomes.New(outcomes.Config{Log: log, Apps: view.Outcomes, Session: cfg.Session, Logger: b.Logger, Meter: b.Meter})
	if err != nil {
		pool.Close()
		log.Close()
		return nil, fmt.Errorf("make feed of outcomes: %w", err)
	}
	return &Stage{
		Name: node, base: b,
		needs: needs{
			topics:   []string{eventlog.EventsTopic, eventlog.GatesTopic, eventlog.DispatchTopic, eventlog.ControlTopic},
			postgres: migrated,
		},
		parts: []func(context.Context) error{view.Run, epochs.Run, after(view.Ready(), w.Run), after(view.Ready(), feed.Run)},
		close: []func(){log.Close, pool.Close}, check: func() error { return cmp.Or(w.Standing(), feed.Standing()) },
	}, nil
}

// policies of all apps as delivery takes them.
func policies(v *control.View) (delivery.Policies, <-chan struct{}) {
	apps, changed := v.Policies()
	now := make(delivery.Policies, len(apps))
	for app, p := range apps {
		now[app] = delivery.Policy{Devices: p.Devices, SessionExpiry: p.SessionExpiry, UnreachedAfter: p.UnreachedAfter}
	}
	return now, changed
}

// after lets a part begin once c is closed: a worker that knew no policy yet
// would decide by another one.
func after(c <-chan struct{}, part func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-c:
		case <-ctx.Done(): // it frees what it uses
		}
		return part(ctx)
	}
}

// NewSessionProjector stores sessions, routes and pending pushes in Postgres.
func NewSessionProjector(b Base, number uint32) (*Stage, error) {
	node := b.node("projector-session", number)
	log, err := b.open(node)
	if err != nil {
		return nil, err
	}
	p, err := session.New(session.Config{Log: log, DSN: b.Postgres, Logger: b.Logger, Meter: b.Meter})
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("make session projector: %w", err)
	}
	return &Stage{
		Name: node, base: b, needs: needs{topics: []string{eventlog.EventsTopic}, postgres: migrated},
		parts: []func(context.Context) error{p.Run}, close: []func(){log.Close}, check: p.Standing,
	}, nil
}

// NewHopProjector stores hops, pushes and funnels in ClickHouse.
func NewHopProjector(b Base, number uint32) (*Stage, error) {
	node := b.node("projector-hop", number)
	log, err := b.open(node)
	if err != nil {
		return nil, err
	}
	p, err := hop.New(hop.Config{Log: log, DSN: b.ClickHouse, Logger: b.Logger, Meter: b.Meter, Tracer: b.Tracer})
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("make hop projector: %w", err)
	}
	return &Stage{
		Name: node, base: b, needs: needs{topics: []string{eventlog.EventsTopic}, clickhouse: migrated},
		parts: []func(context.Context) error{p.Run}, close: []func(){log.Close}, check: p.Standing,
	}, nil
}

// NewConsole serves the read models.
func NewConsole(b Base, number uint32, listen string) (*Stage, error) {
	c, err := console.New(console.Config{ClickHouse: b.ClickHouse, Listen: listen, Logger: b.Logger})
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	tables, err := openClickHouse(b.ClickHouse)
	if err != nil {
		return nil, err
	}
	return &Stage{
		Name: b.node("console", number), base: b, needs: needs{clickhouse: migrated},
		parts: []func(context.Context) error{c.Run}, close: []func(){tables.close},
		ready: c.Ready(), check: tables.answers, addr: c.Addr,
	}, nil
}

// started is a check that passes once c is closed.
func started(c <-chan struct{}) func() error {
	return func() error {
		if !ended(c) {
			return errStarting
		}
		return nil
	}
}
