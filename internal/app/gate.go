package app

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"waybill/gate"
	"waybill/ingest"
	"waybill/internal/control"
	"waybill/internal/eventlog"
)

// GateConfig of a gate. Zero durations and sizes take the gate's defaults.
type GateConfig struct {
	Number     uint32 // from 1; also its partition of waybill.dispatch
	Listen     string // host:port for devices
	Advertise  string // what devices are told; empty = where it listens
	ClusterKey []byte // 32 bytes: seals resume tickets, the same on all gates
	Lease      time.Duration
	Heartbeat  time.Duration
	DrainTime  time.Duration // how long it hands devices over when it stops; 0 = closes them at once
	DrainRate  int           // devices a second
	Drain      time.Duration // how long it waits for the log then
}

// NewGate is a gate with its own library of ingest, through which it reports.
func NewGate(b Base, cfg GateConfig) (*Stage, error) {
	node := b.node("gate", cfg.Number)
	log, err := b.open(node)
	if err != nil {
		return nil, err
	}
	epochs := log.NewEpochs()
	facts, err := ingest.NewFacts(ingest.FactsConfig{Log: log, Node: node, Epochs: epochs})
	if err != nil {
		log.Close()
		return nil, fmt.Errorf("open facts of %s: %w", node, err)
	}
	view := control.Open(log)
	g, err := gate.New(gate.Config{
		Number: cfg.Number, Listen: cfg.Listen, Advertise: cfg.Advertise, ClusterKey: cfg.ClusterKey,
		Lease: cfg.Lease, Heartbeat: cfg.Heartbeat, DrainTime: cfg.DrainTime, DrainRate: cfg.DrainRate, Drain: cfg.Drain,
		Log: log, Facts: facts, Apps: view, Control: view, Logger: b.Logger, Meter: b.Meter,
	})
	if err != nil {
		facts.Close()
		log.Close()
		return nil, fmt.Errorf("make %s: %w", node, err)
	}
	flush := func() {
		ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(cfg.Drain, drainFacts))
		defer cancel()
		_ = facts.Flush(ctx) // what is not in the log by then the device will say again
		facts.Close()
	}
	run := func(ctx context.Context) error {
		if err := checkNumber(ctx, log, cfg.Number); err != nil {
			return err
		}
		// No gate lets anybody in before it has read the apps and their keys.
		select {
		case <-view.Ready():
		case <-ctx.Done():
			return nil
		}
		// So that no connection's first fact waits for the topic's partitions.
		// Where an app's uplinks go the gate asks when its first device logs in:
		// an app without its topic stops nobody else's.
		if err := facts.Prepare(ctx); err != nil {
			return fmt.Errorf("look up topics: %w", err)
		}
		return g.Run(ctx)
	}
	return &Stage{
		Name: node, base: b,
		needs: needs{topics: []string{eventlog.EventsTopic, eventlog.DispatchTopic, eventlog.GatesTopic, eventlog.ControlTopic}},
		parts: []func(context.Context) error{view.Run, epochs.Run, run},
		close: []func(){log.Close, flush}, ready: g.Ready(), addr: g.Addr,
	}, nil
}

// checkNumber refuses a gate for which waybill.dispatch has no partition.
func checkNumber(ctx context.Context, log *eventlog.Log, number uint32) error {
	n, err := log.Partitions(ctx, eventlog.DispatchTopic)
	if err == nil && number >= uint32(n) {
		return fmt.Errorf("gate number %d has no partition of %s, which has %d; allowed: 1 to %d", number, eventlog.DispatchTopic, n, n-1)
	}
	return nil // while it cannot be asked, the gate itself waits for it
}

// drainFacts is how long a gate that stops waits for the log to take its last
// facts.
const drainFacts = 5 * time.Second
