package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"waybill/delivery"
	"waybill/internal/app"
)

type gateCmd struct {
	engines
	process
	Metrics    string        `help:"Private address of /metrics, /healthz and /readyz; empty for none." env:"WAYBILL_GATE_METRICS,WAYBILL_METRICS" default:"127.0.0.1:7401"`
	Listen     string        `help:"Where devices connect, host:port." env:"WAYBILL_GATE_LISTEN,WAYBILL_LISTEN" default:":7400"`
	Advertise  string        `help:"What devices are told to connect to; empty for where it listens." env:"WAYBILL_ADVERTISE"`
	ClusterKey hexKey        `help:"Seals resume tickets: 64 hex digits, the same on all gates." env:"WAYBILL_CLUSTER_KEY" required:""`
	Lease      time.Duration `help:"How long the gate may be silent before nothing is dispatched to it." env:"WAYBILL_LEASE" default:"10s"`
	Heartbeat  time.Duration `help:"How often an idle device shows itself." env:"WAYBILL_HEARTBEAT" default:"60s"`
	DrainTime  time.Duration `help:"How long SIGTERM hands devices over to other gates before it closes the rest; 0 to close all at once." env:"WAYBILL_DRAIN_TIME" default:"60s"`
	DrainRate  int           `help:"How many devices a second it hands over." env:"WAYBILL_DRAIN_RATE" default:"500"`
	TakeOver   bool          `help:"Take the number over from a gate that runs on this host."`
}

// Validate says what is wrong and what is allowed.
func (c *gateCmd) Validate() error {
	return together(c.engines.check(), c.process.check(), checkPrivate(c.Metrics), checkAddress("--listen", c.Listen),
		checkAdvertise(c.Advertise), checkAbove("--lease", c.Lease), checkAbove("--heartbeat", c.Heartbeat), c.checkDrain())
}

// namesNoHost says that the address is every address of this host.
func namesNoHost(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "" || net.ParseIP(host).IsUnspecified())
}

func checkAdvertise(address string) error {
	if address == "" {
		return nil
	}
	return checkAddress("--advertise", address)
}

func (c *gateCmd) checkDrain() error {
	if c.DrainTime < 0 {
		return fmt.Errorf("--drain-time is %v; allowed: 0 or more", c.DrainTime)
	}
	return checkAbove("--drain-rate", c.DrainRate)
}

// Run runs the gate until it is told to stop.
func (c *gateCmd) Run(ctx context.Context, log *slog.Logger) error {
	if !c.TakeOver {
		claim, err := claimNumber(c.Kafka, c.Number)
		if err != nil {
			return err
		}
		defer func() { _ = claim.Close() }() // ends with the process at the latest
	}
	if c.Advertise == "" && namesNoHost(c.Listen) {
		log.Warn("devices are told an address without a host, to which they cannot come back: set --advertise", "address", c.Listen)
	}
	return runStages(ctx, log, c.engines, c.process, private{"gate", c.Metrics}, func(b app.Base) (*app.Stage, error) {
		return app.NewGate(b, app.GateConfig{
			Number: c.Number, Listen: c.Listen, Advertise: c.Advertise, ClusterKey: c.ClusterKey,
			Lease: c.Lease, Heartbeat: c.Heartbeat, DrainTime: c.DrainTime, DrainRate: c.DrainRate,
		})
	})
}

type ingestCmd struct {
	engines
	process
	Metrics string `help:"Private address of /metrics, /healthz and /readyz; empty for none." env:"WAYBILL_INGEST_METRICS,WAYBILL_METRICS" default:"127.0.0.1:7481"`
	Listen  string `help:"Where app-servers push, host:port." env:"WAYBILL_INGEST_LISTEN,WAYBILL_LISTEN" default:":7480"`
}

// Validate says what is wrong and what is allowed.
func (c *ingestCmd) Validate() error {
	return together(c.engines.check(), c.process.check(), checkPrivate(c.Metrics), checkAddress("--listen", c.Listen))
}

// Run runs the push API until it is told to stop.
func (c *ingestCmd) Run(ctx context.Context, log *slog.Logger) error {
	return runStages(ctx, log, c.engines, c.process, private{"ingest", c.Metrics}, func(b app.Base) (*app.Stage, error) {
		return app.NewIngest(b, app.IngestConfig{Number: c.Number, Listen: c.Listen})
	})
}

type deliveryCmd struct {
	engines
	process
	Metrics  string        `help:"Private address of /metrics, /healthz and /readyz; empty for none." env:"WAYBILL_DELIVERY_METRICS,WAYBILL_METRICS" default:"127.0.0.1:7461"`
	AckTimer time.Duration `help:"How long a push that was sent may wait for its acknowledgement." env:"WAYBILL_ACK_TIMER" default:"10s"`
	Window   int           `help:"Pushes in flight to one device." env:"WAYBILL_WINDOW" default:"32"`
	Mailbox  int           `help:"Open pushes that one user may have." env:"WAYBILL_MAILBOX" default:"1000"`
	Session  time.Duration `help:"How long the group waits for a worker that is gone." env:"WAYBILL_SESSION" default:"10s"`
}

// Validate says what is wrong and what is allowed.
func (c *deliveryCmd) Validate() error {
	return together(c.engines.check(), c.process.check(), checkPrivate(c.Metrics), checkAbove("--ack-timer", c.AckTimer),
		checkAbove("--window", c.Window), checkAbove("--mailbox", c.Mailbox), checkSession(c.Session))
}

// checkSession refuses what brokers refuse by default: a worker would ask for it
// for ever.
func checkSession(d time.Duration) error {
	if d < 6*time.Second || d > 30*time.Minute {
		return fmt.Errorf("--session is %s; allowed: 6s to 30m", d)
	}
	return nil
}

// Run runs the worker until it is told to stop.
func (c *deliveryCmd) Run(ctx context.Context, log *slog.Logger) error {
	set := delivery.Defaults()
	set.AckTimer, set.Window, set.Mailbox = c.AckTimer, c.Window, c.Mailbox
	return runStages(ctx, log, c.engines, c.process, private{"delivery", c.Metrics}, func(b app.Base) (*app.Stage, error) {
		return app.NewDelivery(b, app.DeliveryConfig{Number: c.Number, Settings: set, Session: c.Session})
	})
}

type projectorCmd struct {
	engines
	process
	Metrics string `help:"Private address of /metrics, /healthz and /readyz; empty for none." env:"WAYBILL_PROJECTOR_METRICS,WAYBILL_METRICS" default:"127.0.0.1:7471"`
	Only    string `help:"session for Postgres, hop for ClickHouse, both for both." enum:"session,hop,both" default:"both" env:"WAYBILL_ONLY"`
}

// Validate says what is wrong and what is allowed.
func (c *projectorCmd) Validate() error {
	return together(c.engines.check(), c.process.check(), checkPrivate(c.Metrics))
}

// Run runs the projectors until they are told to stop.
func (c *projectorCmd) Run(ctx context.Context, log *slog.Logger) error {
	var makers []stageMaker
	if c.Only != "hop" {
		makers = append(makers, func(b app.Base) (*app.Stage, error) { return app.NewSessionProjector(b, c.Number) })
	}
	if c.Only != "session" {
		makers = append(makers, func(b app.Base) (*app.Stage, error) { return app.NewHopProjector(b, c.Number) })
	}
	return runStages(ctx, log, c.engines, c.process, private{"projector", c.Metrics}, makers...)
}

type consoleCmd struct {
	engines
	process
	Metrics string `help:"Private address of /metrics, /healthz and /readyz; empty for none." env:"WAYBILL_CONSOLE_METRICS,WAYBILL_METRICS" default:"127.0.0.1:7491"`
	Listen  string `help:"Where people read, host:port." env:"WAYBILL_CONSOLE_LISTEN,WAYBILL_LISTEN" default:":7490"`
}

// Validate says what is wrong and what is allowed.
func (c *consoleCmd) Validate() error {
	return together(c.engines.check(), c.process.check(), checkPrivate(c.Metrics), checkAddress("--listen", c.Listen))
}

// Run runs the console until it is told to stop.
func (c *consoleCmd) Run(ctx context.Context, log *slog.Logger) error {
	return runStages(ctx, log, c.engines, c.process, private{"console", c.Metrics}, func(b app.Base) (*app.Stage, error) {
		return app.NewConsole(b, c.Number, c.Listen)
	})
}
