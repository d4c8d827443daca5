package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
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

// loadTarget says what is measured and how.
type loadTarget struct {
	Spawn bool   `help:"Start a Waybill of its own in a fresh directory, and end it."`
	Dir   string `help:"Directory of the running dev: its keys." default:".waybill" type:"path" env:"WAYBILL_DIR"`

	Gate    string `help:"Where devices connect." default:"127.0.0.1:7400" env:"WAYBILL_GATE"`
	To      string `help:"The push API." default:"http://127.0.0.1:7480" env:"WAYBILL_PUSH_API"`
	Console string `help:"The console, asked whether every push has an outcome; empty: it is not asked." default:"http://127.0.0.1:7490" env:"WAYBILL_CONSOLE_URL"`
	Metrics string `help:"Private address of the gate's process." default:"127.0.0.1:7499" env:"WAYBILL_METRICS"`
	PID     []int  `help:"Processes whose CPU seconds count, with their children." name:"pid"`

	Devices  int           `help:"Devices, each of a user of its own." default:"1000"`
	Body     int           `help:"Bytes of a message." default:"200"`
	Duration time.Duration `help:"Measured part of each run." default:"8s"`
	Warmup   time.Duration `help:"What is not measured before." default:"2s"`
	Runs     int           `help:"Runs; the result is their median." default:"3"`
	JSON     bool          `help:"Print JSON instead of text." name:"json"`
}

// config for the running Waybill, or for one that is started; the last result
// ends that.
func (t *loadTarget) config(ctx context.Context, log *slog.Logger) (load.Config, func() error, error) {
	// The poller and the pacer block in the kernel: they need a P each beside
	// those that work.
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	cfg := load.Defaults()
	cfg.Devices, cfg.Body, cfg.Duration, cfg.Warmup, cfg.Log = t.Devices, t.Body, t.Duration, t.Warmup, log
	if t.Spawn {
		target, stop, err := spawnDev(ctx)
		cfg.Target = target
		return cfg, stop, err
	}
	a, err := app.LoadDevApp(filepath.Join(t.Dir, "app.json"))
	if err != nil {
		return cfg, nil, fmt.Errorf("no --spawn and no dev directory: %w", err)
	}
	cfg.Target = load.Target{Gate: t.Gate, Metrics: t.Metrics, Key: a.APIKey, Token: a.Token, PIDs: t.PID}
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
	r := load.Repeat(name, t.Runs, func() (load.Run, error) { return run(s, ctx) })
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

type loadBenchCmd struct {
	Out      string        `help:"The page." default:"docs/benchmarks/push.md" type:"path"`
	Command  string        `help:"How the page says it was made." default:"make bench"`
	Runs     int           `help:"Runs of each case." default:"3"`
	Duration time.Duration `help:"Measured part of each run." default:"8s"`
	Idle     int           `help:"Idle connections; 0 leaves the case out." default:"15000"`
}

// Run runs the suite and writes its page.
func (c *loadBenchCmd) Run(ctx context.Context) error {
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	suite := load.Suite{Dev: spawnDev, Gate: spawnGate, Echo: spawnEcho, Say: say, Runs: c.Runs, Duration: c.Duration, Idle: c.Idle}
	report, err := suite.Run(ctx)
	if err != nil {
		return err
	}
	report.Command = c.Command
	f, err := os.Create(c.Out)
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if err := errors.Join(report.WriteMarkdown(f), f.Close()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if len(report.Errors) > 0 {
		return fmt.Errorf("%d runs are not whole; see %s", len(report.Errors), c.Out)
	}
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

// spawnEcho starts the yardstick.
func spawnEcho(ctx context.Context) (t load.Target, stop func() error, err error) {
	exe, err := os.Executable()
	if err != nil {
		return t, nil, fmt.Errorf("find this program: %w", err)
	}
	child, line, err := load.StartChild(ctx, "echo ", exe, "load", "echo")
	if err != nil {
		return t, nil, err
	}
	return load.Target{Gate: line[len("echo "):], PIDs: []int{child.PID()}}, child.Stop, nil
}

// spawnDev starts a Waybill in a directory that goes with it.
func spawnDev(ctx context.Context) (t load.Target, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "waybill-load-")
	if err != nil {
		return t, nil, fmt.Errorf("make a directory: %w", err)
	}
	t, child, err := startDev(ctx, dir)
	if err != nil {
		return t, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return t, func() error { return errors.Join(child.Stop(), os.RemoveAll(dir)) }, nil
}

func startDev(ctx context.Context, dir string) (t load.Target, child *load.Child, err error) {
	exe, err := os.Executable()
	if err != nil {
		return t, nil, fmt.Errorf("find this program: %w", err)
	}
	at, err := load.FreePorts(5)
	if err != nil {
		return t, nil, err
	}
	child, _, err = load.StartChild(ctx, "Waybill is up", exe, "--log-level", "warn", "dev", "--dir", dir,
		"--gates", at[0], "--ingest", at[1], "--console", at[2], "--metrics", at[3], "--broker", at[4])
	if err != nil {
		return t, nil, err
	}
	a, err := app.LoadDevApp(filepath.Join(dir, "app.json"))
	if err != nil {
		return t, nil, errors.Join(err, child.Stop())
	}
	return load.Target{
		Gate: at[0], API: at[1], Console: at[2], Metrics: at[3], Key: a.APIKey, Token: a.Token, PIDs: []int{child.PID()},
		Dir: dir, Broker: at[4],
	}, child, nil
}

// spawnGate starts a second gate beside a spawned Waybill.
func spawnGate(ctx context.Context, beside load.Target) (t load.Target, stop func() error, err error) {
	exe, err := os.Executable()
	if err != nil {
		return t, nil, fmt.Errorf("find this program: %w", err)
	}
	key, err := os.ReadFile(filepath.Join(beside.Dir, "cluster.key"))
	if err != nil {
		return t, nil, fmt.Errorf("read cluster key: %w", err)
	}
	at, err := load.FreePorts(2)
	if err != nil {
		return t, nil, err
	}
	child, err := load.StartReady(ctx, at[0], exe, "--log-level", "warn", "gate", "--number", strconv.Itoa(2), "--kafka", beside.Broker,
		"--cluster-key", hex.EncodeToString(key), "--listen", at[0], "--metrics", at[1])
	if err != nil {
		return t, nil, err
	}
	t = beside
	t.Gate, t.Metrics, t.PIDs = at[0], at[1], []int{child.PID()}
	return t, child.Stop, nil
}
