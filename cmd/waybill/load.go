package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"waybill/internal/app"
	"waybill/internal/load"
)

type loadCmd struct {
	Push      loadPushCmd      `cmd:"" help:"Push and time each message until its device has it."`
	Uplinks   loadUplinksCmd   `cmd:"" help:"Let devices send uplinks and time each until the log has it."`
	Idle      loadIdleCmd      `cmd:"" help:"Log devices in and read what a connection costs in memory."`
	Reconnect loadReconnectCmd `cmd:"" help:"Let all devices come back at once, each owed one push."`
	Bench     loadBenchCmd     `cmd:"" help:"Run every case on fresh Waybills and write the results as a page."`
	Echo      loadEchoCmd      `cmd:"" help:"Be the yardstick: a server that writes back what it reads." hidden:""`
}

// Help says which of them to use.
func (*loadCmd) Help() string {
	return `Each command measures a Waybill that runs already, by default the one of "waybill dev" in .waybill, or with --spawn a fresh one that goes with it. push says how many pushes a second go through and how fast one is; uplinks the same of the other way; reconnect how soon everybody is back after all have gone; idle what a connection costs in memory. bench runs all of it as the project's own figures, with their goals, into docs/benchmarks/push.md.

The generator shares the machine with what it measures. Close other programs, name Waybill's processes (--pid) to learn their CPU seconds, and take --echo as the yardstick: rates on a shared machine vary, the ratio does so less.`
}

// loadTarget says what is measured and how.
type loadTarget struct {
	Spawn bool     `help:"Start a Waybill of its own in a fresh directory, and end it."`
	Gates int      `help:"With --spawn: so many gates." default:"1"`
	Sync  bool     `help:"With --spawn: fsync on each append."`
	Kafka []string `help:"With --spawn: brokers in place of the embedded one." placeholder:"HOST:PORT"`
	Split bool     `help:"With --spawn: each stage and each engine is a process."`

	Dir string `help:"Directory of the running dev: its keys." default:".waybill" type:"path" env:"WAYBILL_DIR"`

	Gate    []string `help:"Where devices connect; they take turns." default:"127.0.0.1:7400" env:"WAYBILL_GATE"`
	To      string   `help:"The push API." default:"http://127.0.0.1:7480" env:"WAYBILL_PUSH_API"`
	Console string   `help:"The console, asked whether every push has an outcome; empty: it is not asked." default:"http://127.0.0.1:7490" env:"WAYBILL_CONSOLE_URL"`
	Metrics string   `help:"Private address of the gate's process." default:"127.0.0.1:7499" env:"WAYBILL_METRICS"`
	PID     []int    `help:"Processes whose CPU seconds count, with their children." name:"pid"`

	Devices  int           `help:"Devices, each of a user of its own." default:"1000"`
	Users    string        `help:"Prefix of the users' names. A second generator beside this one needs another." default:"load"`
	Body     int           `help:"Bytes of a message." default:"200"`
	Duration time.Duration `help:"Measured part of each run." default:"8s"`
	Warmup   time.Duration `help:"What is not measured before." default:"2s"`
	Runs     int           `help:"Runs; the result is their median." default:"3"`
	Echo     bool          `help:"Measure a bare echo server first: the machine's own speed at this hour."`
	JSON     bool          `help:"Print JSON instead of text." name:"json"`
}

// spawn starts the kind of Waybill that the flags ask for.
func (t *loadTarget) spawn(ctx context.Context) (load.Target, func() error, error) {
	if t.Split {
		return spawnSplit(ctx, load.SplitOptions{})
	}
	return spawnDev(ctx, load.DevOptions{Gates: t.Gates, Sync: t.Sync, Kafka: t.Kafka})
}

// config for the running Waybill, or for one that is started; the last result
// ends that.
func (t *loadTarget) config(ctx context.Context, log *slog.Logger) (load.Config, func() error, error) {
	// The poller and the pacer block in the kernel: they need a P each beside
	// those that work.
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	cfg := load.Defaults()
	cfg.Devices, cfg.Users, cfg.Body, cfg.Duration, cfg.Warmup, cfg.Log = t.Devices, t.Users, t.Body, t.Duration, t.Warmup, log
	if t.Spawn {
		target, stop, err := t.spawn(ctx)
		cfg.Target = target
		return cfg, stop, err
	}
	a, err := app.LoadDevApp(filepath.Join(t.Dir, "app.json"))
	if err != nil {
		return cfg, nil, fmt.Errorf("no --spawn and no dev directory: %w", err)
	}
	cfg.Target = load.Target{Gates: t.Gate, Metrics: t.Metrics, Key: a.APIKey, Token: a.Token, PIDs: t.PID}
	if cfg.API, err = hostOf(t.To); err == nil && t.Console != "" {
		cfg.Console, err = hostOf(t.Console)
	}
	return cfg, func() error { return nil }, err
}

func hostOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is no address such as http://127.0.0.1:7480", address)
	}
	return u.Host, nil
}

// repeat opens a session and prints the result of the runs.
func (t *loadTarget) repeat(ctx context.Context, log *slog.Logger, name string, set func(*load.Config), run func(*load.Session, context.Context) (load.Run, error)) (err error) {
	cfg, stop, err := t.config(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	set(&cfg)
	s, err := load.Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	var echo *load.Run
	if t.Echo {
		measured, err := load.MeasureEcho(ctx, spawnEcho)
		if err != nil {
			return err
		}
		echo = &measured
	}
	r := load.Repeat(name, t.Runs, func() (load.Run, error) { return run(s, ctx) })
	r.Echo = echo
	write := r.WriteText
	if t.JSON {
		write = r.WriteJSON
	}
	if err := write(os.Stdout); err != nil || len(r.Errors) == 0 {
		return err
	}
	return fmt.Errorf("%d of %d runs are not whole", len(r.Errors), t.Runs)
}

type loadPushCmd struct {
	loadTarget
	Outstanding int  `help:"Closed loop: so many pushes are on their way." default:"1000"`
	Batch       int  `help:"Pushes in a call." default:"100"`
	Stream      bool `help:"NDJSON streams instead of calls."`
	Rate        int  `help:"Open loop: pushes a second; 0 is the closed loop."`
	Callers     int  `help:"Connections of the app-server; 0 lets the generator choose."`
	Probe       bool `help:"Look up single pushes while it runs: how soon is a hop visible?"`
}

// Run pushes and prints the figures.
func (c *loadPushCmd) Run(ctx context.Context, log *slog.Logger) error {
	return c.repeat(ctx, log, "push", func(cfg *load.Config) {
		cfg.Outstanding, cfg.Batch, cfg.Stream, cfg.Rate, cfg.Callers, cfg.Probe = c.Outstanding, c.Batch, c.Stream, c.Rate, c.Callers, c.Probe
	}, (*load.Session).Push)
}

// Help explains the figures.
func (*loadPushCmd) Help() string {
	return `One process is the devices and the app-server at once, so that one clock times a message from the call to the device.

The closed loop (the default) keeps --outstanding pushes on their way: one that arrives makes room for the next. It says how many a second go through. The open loop (--rate) calls at a steady rate whatever the answers do; latency counts from the time for which a call was meant. It says how fast a push is.

A run is whole when every accepted push has arrived once and has an outcome in the console's funnel; else the command fails, and says what is missing. What the generator itself was late is said beside the latencies, which contain it.

  waybill load push --spawn --batch 10                 closed loop on a fresh Waybill
  waybill load push --spawn --stream --probe --echo    how soon can a hop be looked up; the machine's own speed
  waybill load push --spawn --batch 1 --rate 1000      open loop
  waybill load push --spawn --split --stream           each stage a process
  waybill load push --pid $(pgrep -f 'waybill dev')    a Waybill that runs in .waybill, and its CPU seconds`
}

type loadUplinksCmd struct {
	loadTarget
	Outstanding int `help:"Uplinks on their way, shared by the devices." default:"1000"`
}

// Run sends uplinks and prints the figures.
func (c *loadUplinksCmd) Run(ctx context.Context, log *slog.Logger) error {
	return c.repeat(ctx, log, "uplinks", func(cfg *load.Config) { cfg.Outstanding = c.Outstanding }, (*load.Session).Uplinks)
}

type loadReconnectCmd struct {
	loadTarget
}

// Run lets the devices come back and prints how long that took.
func (c *loadReconnectCmd) Run(ctx context.Context, log *slog.Logger) error {
	return c.repeat(ctx, log, "reconnect", func(*load.Config) {}, (*load.Session).Reconnect)
}

type loadIdleCmd struct {
	loadTarget
	From int `help:"Connections at the first reading; --devices at the second." default:"500"`
}

// Run logs devices in and prints the slope of the memory.
func (c *loadIdleCmd) Run(ctx context.Context, log *slog.Logger) (err error) {
	cfg, stop, err := c.config(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	i, err := load.MeasureIdle(ctx, cfg, c.From)
	if err != nil {
		return err
	}
	fmt.Printf("%d to %d connections: %.0f bytes each (PSS), %.0f of them Go heap and stacks in use; %.0f logins/s\n",
		i.From, i.To, i.PSSEach, i.HeapEach, i.LoginRate)
	return nil
}

type loadEchoCmd struct{}

// Run echoes until it is told to stop.
func (*loadEchoCmd) Run(ctx context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	fmt.Println("echo", ln.Addr())
	return load.ServeEcho(ctx, ln)
}
