package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"waybill/internal/app"
	"waybill/internal/telemetry"
)

// engines are the addresses that a stage of its own needs.
type engines struct {
	Kafka      []string `help:"Brokers to begin with, host:port." env:"WAYBILL_KAFKA" default:"127.0.0.1:9092"`
	Postgres   string   `help:"Postgres, as a DSN or URL." env:"WAYBILL_POSTGRES" default:"postgres://waybill@127.0.0.1:5432/waybill"`
	ClickHouse string   `help:"ClickHouse, as a URL." name:"clickhouse" env:"WAYBILL_CLICKHOUSE" default:"clickhouse://default@127.0.0.1:9000/default"`
}

// process are the flags of every long-running process.
type process struct {
	Number uint32 `help:"Number of this process within its stage, from 1." env:"WAYBILL_NUMBER" default:"1"`
}

// private is where a process says of itself how it is.
type private struct {
	stage   string // in the name of the process
	address string // of /metrics, /healthz and /readyz; empty for none
}

// stageMaker builds one stage on what its process shares.
type stageMaker func(app.Base) (*app.Stage, error)

// runStages runs stages in this process until ctx ends or one of them fails.
func runStages(ctx context.Context, log *slog.Logger, e engines, p process, own private, makers ...stageMaker) error {
	host, _ := os.Hostname()
	var ready readiness
	tel, err := telemetry.New(ctx, telemetry.Config{
		Node: fmt.Sprintf("%s-%d@%s", own.stage, p.Number, host), Listen: own.address, Log: log, Ready: ready.check,
	})
	if err != nil {
		return err
	}
	defer closeTelemetry(ctx, tel)
	base := app.Base{
		Addresses: app.Addresses{Kafka: e.Kafka, Postgres: e.Postgres, ClickHouse: e.ClickHouse},
		Host:      host, Log: log, Meter: tel.Meter, Tracer: tel.Tracer, OnStuck: exitStuck(log),
	}
	var running []*app.Running
	defer func() {
		for _, r := range running {
			_ = r.Stop() // its error has been returned if it ended by itself
		}
	}()
	for _, make := range makers {
		s, err := make(base)
		if err != nil {
			return err
		}
		r := s.Start(context.WithoutCancel(ctx))
		running = append(running, r)
		ready.add(r)
		log.Info("stage started", "stage", s.Name)
	}
	ready.started()
	return waitFor(ctx, running)
}

// readiness of a process is that of all its stages.
type readiness struct {
	mu      sync.Mutex
	all     bool
	running []*app.Running
}

func (r *readiness) add(s *app.Running) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = append(r.running, s)
}

func (r *readiness) started() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = true
}

// check says what the process still waits for; nil when it does its work.
func (r *readiness) check() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.all {
		return errStarting
	}
	for _, s := range r.running {
		if err := s.Standing(); err != nil {
			return fmt.Errorf("%s %w", s.Name, err)
		}
	}
	return nil
}

var errStarting = errors.New("is starting")

// waitFor returns when ctx ends, or with the error of the stage that ended by
// itself.
func waitFor(ctx context.Context, running []*app.Running) error {
	ended := make(chan *app.Running, len(running))
	for _, r := range running {
		go func() { <-r.Done(); ended <- r }()
	}
	select {
	case r := <-ended:
		return fmt.Errorf("%s ended: %w", r.Name, r.Err())
	case <-ctx.Done():
		return nil
	}
}

// exitStuck ends the process when a partition of the log is stuck in it: its
// partitions go to another one.
func exitStuck(log *slog.Logger) func(string, int32, time.Duration) {
	return func(topic string, partition int32, waiting time.Duration) {
		log.Error("a partition is stuck; the process ends so that another one takes it", "topic", topic, "partition", partition, "waiting", waiting)
		os.Exit(3)
	}
}

func closeTelemetry(ctx context.Context, tel *telemetry.Telemetry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = tel.Close(ctx)
}

// hexKey is 32 bytes as 64 hex digits.
type hexKey []byte

// UnmarshalText reads the digits.
func (k *hexKey) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 32 {
		return fmt.Errorf("want 64 hex digits (32 bytes), got %d characters", len(text))
	}
	*k = b
	return nil
}
