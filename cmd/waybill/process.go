package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"waybill/internal/app"
	"waybill/internal/telemetry"
)

// private is where a process says of itself how it is.
type private struct {
	stage   string // in the name of the process
	address string // of /metrics, /healthz and /readyz; empty for none
}

// stageMaker builds one stage on what its process shares.
type stageMaker func(app.Base) (*app.Stage, error)

// runStages runs stages in this process until ctx ends or one of them fails,
// then drains all of them.
func runStages(ctx context.Context, log *slog.Logger, e engines, p process, own private, makers ...stageMaker) error {
	host, _ := os.Hostname()
	var ready readiness
	tel, err := openTelemetry(ctx, telemetry.Config{
		Node: fmt.Sprintf("%s-%d@%s", own.stage, p.Number, host), Listen: own.address, Log: log, Ready: ready.check,
	})
	if err != nil {
		return err
	}
	defer closeTelemetry(ctx, tel)
	base := app.Base{
		Addresses: app.Addresses{Kafka: e.Kafka, Postgres: e.Postgres, ClickHouse: e.ClickHouse},
		Host:      host, Logger: log, Meter: tel.Meter, Tracer: tel.Tracer, OnStuck: onStuck(log),
	}
	stages, err := makeStages(base, makers)
	if err != nil {
		return err
	}
	var running []*app.Running
	for _, s := range stages {
		log.Info("stage starting", "stage", s.Name)
		running = append(running, s.Start(context.WithoutCancel(ctx)))
	}
	ready.begin(running)
	go ready.announce(ctx, log)
	err = waitFor(ctx, running)
	for _, r := range running {
		if stopped := r.Stop(); err == nil {
			err = stopped
		}
	}
	return err
}

// makeStages builds all, or none.
func makeStages(base app.Base, makers []stageMaker) (stages []*app.Stage, err error) {
	for _, make := range makers {
		s, err := make(base)
		if err != nil {
			for _, made := range stages {
				made.Close()
			}
			return nil, err
		}
		stages = append(stages, s)
	}
	return stages, nil
}

// openTelemetry says in plain words that the private port is taken.
func openTelemetry(ctx context.Context, cfg telemetry.Config) (*telemetry.Telemetry, error) {
	tel, err := telemetry.New(ctx, cfg)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the private port %s is taken, perhaps by another process of this stage; allowed: a --metrics address of its own for each process of a host", cfg.Listen)
	}
	if err == nil && tel.Addr() != "" {
		cfg.Log.Info("private port", "address", tel.Addr(), "node", cfg.Node)
	}
	return tel, err
}

func closeTelemetry(ctx context.Context, tel *telemetry.Telemetry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = tel.Close(ctx)
}

// readiness of a process is that of all its stages.
type readiness struct {
	mu      sync.Mutex
	running []*app.Running // nil before all have been started
}

// begin is called when all stages have been started.
func (r *readiness) begin(running []*app.Running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = running
}

// check says what the process still waits for; nil when it does its work.
func (r *readiness) check() error {
	r.mu.Lock()
	running := r.running
	r.mu.Unlock()
	if running == nil {
		return errStarting
	}
	return app.Standing(running)
}

var errStarting = errors.New("the process is starting")

// lookEvery is how soon the log says that a process has become ready.
const lookEvery = 100 * time.Millisecond

// announce says once that the process does its work.
func (r *readiness) announce(ctx context.Context, log *slog.Logger) {
	began := time.Now()
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for r.check() != nil {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
	}
	log.Info("ready", "seconds", time.Since(began).Seconds())
}

// waitFor returns when ctx ends, or with the error of the stage that ended by
// itself.
func waitFor(ctx context.Context, running []*app.Running) error {
	err := app.Failed(ctx, running)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; allowed: a --listen address of its own for each process of a host", err)
	}
	return err
}
