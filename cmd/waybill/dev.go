package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"waybill/internal/app"
	"waybill/internal/telemetry"
)

type devCmd struct {
	Dir     string   `help:"Directory of the state; a second start continues." default:".waybill" type:"path" env:"WAYBILL_DIR"`
	Gates   []string `help:"Where gates 1, 2, … listen." default:"127.0.0.1:7400" env:"WAYBILL_GATES"`
	Ingest  string   `help:"Where app-servers push." default:"127.0.0.1:7480" env:"WAYBILL_INGEST"`
	Console string   `help:"Where people read." default:"127.0.0.1:7490" env:"WAYBILL_CONSOLE"`
	Metrics string   `help:"Private address of /metrics; empty for none." default:"127.0.0.1:7499" env:"WAYBILL_METRICS"`
	Broker  string   `help:"Where the embedded broker listens." default:"127.0.0.1:7492" env:"WAYBILL_BROKER"`
	Sync    bool     `help:"Write every record to the disk before it is acknowledged: survives a power cut, and is slower." env:"WAYBILL_SYNC"`

	Kafka      []string `help:"Brokers to use instead of the embedded one." env:"WAYBILL_KAFKA"`
	Postgres   string   `help:"Postgres to use instead of the embedded one." env:"WAYBILL_POSTGRES"`
	ClickHouse string   `help:"ClickHouse to use instead of the embedded one." name:"clickhouse" env:"WAYBILL_CLICKHOUSE"`
}

// Memory of a whole Waybill in one process: collect garbage less often than
// the default, up to a limit that a laptop does not notice.
const (
	devGCPercent   = 400
	devMemoryLimit = 1 << 30
)

// Run runs everything until Ctrl-C, then drains.
func (c *devCmd) Run(ctx context.Context, log *slog.Logger) error {
	tune()
	host, _ := os.Hostname()
	var up atomic.Pointer[app.Dev]
	tel, err := openTelemetry(ctx, telemetry.Config{Node: "dev@" + host, Listen: c.Metrics, Log: log, Ready: func() error {
		if d := up.Load(); d != nil {
			return d.Standing()
		}
		return errStarting
	}})
	if err != nil {
		return err
	}
	defer closeTelemetry(ctx, tel)
	start := time.Now()
	d, err := app.StartDev(ctx, app.DevConfig{
		Dir: c.Dir, External: app.Addresses{Kafka: c.Kafka, Postgres: c.Postgres, ClickHouse: c.ClickHouse},
		KafkaAddr: c.Broker, Gates: c.Gates, Ingest: c.Ingest, Console: c.Console, SyncWrites: c.Sync,
		Host: host, Logger: log, Meter: tel.Meter, Tracer: tel.Tracer, Progress: say,
	})
	if err != nil {
		return err
	}
	up.Store(d)
	c.greet(d, time.Since(start))
	failed := d.Failed(ctx)
	if err := d.Close(); failed == nil {
		return err
	}
	return failed
}

// tune sets the collector, unless the person has done so.
func tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(devGCPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(devMemoryLimit)
	}
}

func say(line string) { fmt.Fprintln(os.Stderr, line) }

// greet says what to try.
func (c *devCmd) greet(d *app.Dev, took time.Duration) {
	fmt.Printf(`Waybill is up after %.1f s. State is kept in %s; Ctrl-C drains it.

  devices    %s
  push API   http://%s/v1/pushes    Authorization: Bearer %s
  pages      http://%s
  metrics    http://%s/metrics
  broker     %s

Try, in two other terminals:
  %[9]s device --user anna
  %[9]s push --user anna --json '{"hello":"road"}'
`, took.Seconds(), c.Dir, d.Stage(app.DevGate(1)).Addr(), d.Stage(app.DevIngest).Addr(), d.App.APIKey,
		d.Stage(app.DevConsole).Addr(), c.Metrics, d.Base.Kafka[0], os.Args[0])
}
