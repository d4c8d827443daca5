package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"waybill/delivery"
	"waybill/internal/engine"
	"waybill/internal/eventlog"
)

// DevConfig of a whole Waybill in one process.
type DevConfig struct {
	Dir        string    // state is kept here; a second start continues
	External   Addresses // engines that run already; the rest is embedded
	KafkaAddr  string    // where the embedded broker listens; "" = any free port
	Gates      []string  // where gates 1, 2, … listen
	Ingest     string    // host:port
	Console    string    // host:port
	Partitions int32     // 0 = 4
	Lease      time.Duration
	Heartbeat  time.Duration // of devices; 0 = the gate's default
	Session    time.Duration // of the delivery group
	SyncWrites bool          // fsync before a record is acknowledged
	Settings   *delivery.Settings
	// Faults is for tests: a seam in every stage's way to the log.
	Faults *eventlog.Faults
	// StageFaults is for tests: seams of single stages by their names, in place
	// of Faults. A stage whose log fails and that is stopped then says nothing
	// more, as after kill -9.
	StageFaults map[string]*eventlog.Faults
	// DrainTime is how long a gate that stops hands its devices over to the other
	// ones; 0 = it closes them at once.
	DrainTime time.Duration
	// Drain bounds how long it waits for the log then (default 5 s).
	Drain    time.Duration
	Host     string
	Logger   *slog.Logger
	Meter    metric.Meter
	Tracer   trace.Tracer // nil: no spans are exported
	Progress func(string) // plain words about what takes long
	// Engine is the command that becomes the ClickHouse engine; nil = this binary.
	Engine []string
}

// devDispatch is how many gates a dev log has room for, number 0 included.
const devDispatch = 8

// Dev is a whole Waybill in one process: engines, then stages.
type Dev struct {
	cfg  DevConfig
	Base Base
	App  DevApp // the app that dev makes for whoever tries it

	lock       *engine.Lock
	kafka      *engine.Kafka
	postgres   *engine.Postgres
	clickhouse *engine.ClickHouse
	key        []byte // cluster key

	mu      sync.Mutex
	running map[string]*Running // by DevGate(n), DevIngest, …
}

// Names of the stages of a Dev.
const (
	DevIngest   = "ingest"
	DevDelivery = "delivery"
	DevSession  = "projector-session"
	DevHop      = "projector-hop"
	DevConsole  = "console"
)

// DevGate is the name of gate n, from 1.
func DevGate(n int) string { return fmt.Sprintf("gate-%d", n) }

// StartDev starts the engines, brings topics and schemas up to date and starts
// every stage. On an error everything is stopped again.
func StartDev(ctx context.Context, cfg DevConfig) (*Dev, error) {
	if cfg.Partitions == 0 {
		cfg.Partitions = 4
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	d := &Dev{cfg: cfg, running: make(map[string]*Running)}
	d.Base = Base{Addresses: cfg.External, Host: cfg.Host, Logger: cfg.Logger, Meter: cfg.Meter, Tracer: cfg.Tracer, Faults: cfg.Faults}
	for _, step := range []func(context.Context) error{d.open, d.startEngines, d.migrate, d.startStages} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}

// open takes the directory and reads, or draws, what it keeps.
func (d *Dev) open(context.Context) (err error) {
	if err = os.MkdirAll(d.cfg.Dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	if d.lock, err = engine.LockDir(d.cfg.Dir); err != nil {
		return fmt.Errorf("take directory %s: %w", d.cfg.Dir, err)
	}
	if d.key, err = loadKey(filepath.Join(d.cfg.Dir, "cluster.key")); err != nil {
		return err
	}
	d.App, err = loadApp(filepath.Join(d.cfg.Dir, "app.json"))
	return err
}

// startEngines starts, all at once, those that have no address.
func (d *Dev) startEngines(ctx context.Context) error {
	var g errgroup.Group
	if len(d.Base.Kafka) == 0 {
		g.Go(func() error { return d.openKafka(d.cfg.KafkaAddr) })
	}
	if d.Base.Postgres == "" {
		g.Go(func() error { return d.openPostgres(ctx) })
	}
	if d.Base.ClickHouse == "" {
		g.Go(func() (err error) {
			d.clickhouse, err = engine.StartClickHouse(ctx, engine.ClickHouseConfig{
				Dir: filepath.Join(d.cfg.Dir, "clickhouse"), Command: d.cfg.Engine, Log: d.cfg.Logger, Progress: d.cfg.Progress,
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("start engines: %w", err)
	}
	d.address()
	return nil
}

func (d *Dev) openKafka(listen string) (err error) {
	d.kafka, err = engine.StartKafka(engine.KafkaConfig{
		Dir: filepath.Join(d.cfg.Dir, "kafka"), Listen: listen, SyncWrites: d.cfg.SyncWrites, Log: d.cfg.Logger,
	})
	return err
}

func (d *Dev) openPostgres(ctx context.Context) (err error) {
	d.postgres, err = engine.StartPostgres(ctx, engine.PostgresConfig{
		Dir: filepath.Join(d.cfg.Dir, "postgres"), Log: d.cfg.Logger, Progress: d.cfg.Progress,
	})
	return err
}

func (d *Dev) address() {
	if d.kafka != nil {
		d.Base.Kafka = d.kafka.Addrs()
	}
	if d.postgres != nil {
		d.Base.Postgres = d.postgres.DSN()
	}
	if d.clickhouse != nil {
		d.Base.ClickHouse = d.clickhouse.DSN()
	}
}

func (d *Dev) migrate(ctx context.Context) error {
	apps, err := d.App.schema()
	if err != nil {
		return err
	}
	return Migrate(ctx, d.Base, MigrateConfig{Partitions: d.cfg.Partitions, Dispatch: devDispatch, Replication: -1, Apps: apps})
}

// startStages starts readers before writers, so that nothing waits for long.
func (d *Dev) startStages(ctx context.Context) error {
	names := []string{DevSession, DevHop, DevDelivery, DevConsole, DevIngest}
	for n := range d.cfg.Gates {
		names = append(names, DevGate(n+1))
	}
	for _, name := range names {
		start := time.Now()
		if err := d.Start(ctx, name); err != nil {
			return err
		}
		d.cfg.Logger.Info("stage started", "stage", name, "seconds", time.Since(start).Seconds())
	}
	return nil
}

// Start starts one stage by its name and waits until it is ready. ctx bounds
// the waiting only.
func (d *Dev) Start(ctx context.Context, name string) error {
	s, err := d.build(name)
	if err != nil {
		return err
	}
	r := s.Start(context.WithoutCancel(ctx))
	d.mu.Lock()
	d.running[name] = r
	d.mu.Unlock()
	return r.WaitReady(ctx)
}

func (d *Dev) build(name string) (*Stage, error) {
	b := d.Base
	if f := d.cfg.StageFaults[name]; f != nil {
		b.Faults = f
	}
	switch name {
	case DevIngest:
		return NewIngest(b, IngestConfig{Number: 1, Listen: d.cfg.Ingest, Session: d.cfg.Session})
	case DevDelivery:
		set := delivery.Defaults()
		if d.cfg.Settings != nil {
			set = *d.cfg.Settings
		}
		return NewDelivery(b, DeliveryConfig{Number: 1, Settings: set, Session: d.cfg.Session})
	case DevSession:
		return NewSessionProjector(b, 1)
	case DevHop:
		return NewHopProjector(b, 1)
	case DevConsole:
		return NewConsole(b, 1, d.cfg.Console)
	}
	for n, listen := range d.cfg.Gates {
		if name == DevGate(n+1) {
			return NewGate(b, GateConfig{
				Number: uint32(n + 1), Listen: listen, ClusterKey: d.key, Lease: d.cfg.Lease, Heartbeat: d.cfg.Heartbeat,
				DrainTime: d.cfg.DrainTime, Drain: d.cfg.Drain,
			})
		}
	}
	return nil, fmt.Errorf("no stage is called %q", name)
}

// Stage that runs under the name; nil where none does.
func (d *Dev) Stage(name string) *Running {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running[name]
}

// Stop drains one stage.
func (d *Dev) Stop(name string) error {
	if r := d.Stage(name); r != nil {
		return r.Stop()
	}
	return nil
}

// Standing is nil while every stage does its work, else what they are about.
func (d *Dev) Standing() error { return Standing(d.stages()) }

// Failed waits until a stage ends by itself and says why; nil when ctx ends
// first.
func (d *Dev) Failed(ctx context.Context) error { return Failed(ctx, d.stages()) }

// stages that have been started, in the order of their names.
func (d *Dev) stages() (all []*Running) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(d.running)) {
		all = append(all, d.running[name])
	}
	return all
}

// Close drains everything: devices first, then those who push, then whoever
// still reads, then the engines.
func (d *Dev) Close() error {
	var errs []error
	var names []string
	for n := range d.cfg.Gates {
		names = append(names, DevGate(n+1))
	}
	for _, name := range append(names, DevIngest, DevDelivery, DevSession, DevHop, DevConsole) {
		start := time.Now()
		errs = append(errs, d.Stop(name))
		d.cfg.Logger.Info("stage stopped", "stage", name, "seconds", time.Since(start).Seconds())
	}
	if d.clickhouse != nil {
		errs = append(errs, d.clickhouse.Close())
	}
	if d.postgres != nil {
		errs = append(errs, d.postgres.Close())
	}
	if d.kafka != nil {
		errs = append(errs, d.kafka.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Release())
	}
	return errors.Join(errs...)
}
