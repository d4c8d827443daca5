package load

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"
)

// Target is the running Waybill.
type Target struct {
	Gates   []string // host:port for devices, which take turns
	API     string   // host:port of the push API
	Console string   // host:port of the read API; empty = the funnel is not asked
	Metrics string   // host:port of the private port; empty = none
	Key     string   // API key
	Token   func(user, device string) (string, error)
	PIDs    []int // processes whose CPU seconds count, with their children
	// Of one that was started for the measurement: where its state and its
	// broker are.
	Dir, Broker string
}

// Config of a session. Open refuses what makes no sense.
type Config struct {
	Target
	Devices     int           // each of a user of its own
	Users       string        // prefix of the users' names; a second generator needs another (default load)
	Outstanding int           // closed loop: so many messages are on their way
	Batch       int           // pushes in a call
	Stream      bool          // NDJSON streams instead of calls
	Rate        int           // pushes a second in an open loop; 0 = closed loop
	Callers     int           // connections of the app-server; 0 = chosen
	Body        int           // bytes of a message
	Warmup      time.Duration // before the measured part of each run
	Duration    time.Duration // of the measured part
	Probe       bool          // measure how soon a hop can be looked up
	Log         *slog.Logger  // nil = none
}

// Defaults are the settings of the project's own figures.
func Defaults() Config {
	return Config{
		Devices: 1000, Outstanding: 1000, Batch: 100, Body: 200,
		Warmup: 2 * time.Second, Duration: 8 * time.Second,
	}
}

// Limits of a Config that come from elsewhere.
const (
	maxBatch = 20_000 // recipients of a call, as the push API has it
	// mostCallers is where more connections stop bringing more calls a second.
	mostCallers = 256
	// streams is how many NDJSON streams push at once.
	streams = 8
)

func (c *Config) check() error {
	switch {
	case c.Devices < 1:
		return errors.New("devices must be at least 1")
	case c.Batch < 1 || c.Batch > maxBatch:
		return errors.New("batch must be 1 to 20000 pushes")
	case c.Rate == 0 && c.Outstanding < c.Batch:
		return errors.New("outstanding must be at least batch")
	case c.Body < MinBody:
		return errors.New("body must be at least 24 bytes, which hold the time of sending")
	case c.Duration <= 0:
		return errors.New("duration must be more than 0")
	}
	if c.Callers == 0 {
		c.Callers = min(max(c.Outstanding/c.Batch, 1), mostCallers)
	}
	if c.Users == "" {
		c.Users = "load"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// patience is how long what was accepted may take to arrive when nothing new
// is sent.
const patience = 30 * time.Second

// Session is a fleet of logged-in devices, for one run after another.
type Session struct {
	cfg   Config
	fleet *fleet
	procs processes
	// hopDelay is after how long the newest probes were found.
	hopDelay time.Duration
}

// Open logs all devices in. Close ends them.
func Open(ctx context.Context, cfg Config) (*Session, error) {
	s, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.fleet.connect(ctx, 0, cfg.Devices); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open makes devices that are away.
func open(cfg Config) (*Session, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if len(cfg.Gates) == 0 {
		return nil, errors.New("gates must be at least one address, host:port")
	}
	if err := enoughDescriptors(cfg.Devices); err != nil {
		return nil, err
	}
	f, err := newFleet(fleetConfig{Gates: cfg.Gates, Token: cfg.Token, Prefix: cfg.Users, Size: cfg.Devices, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	return &Session{cfg: cfg, fleet: f, procs: processes{roots: cfg.PIDs}}, nil
}

// spareDescriptors is what a generator opens besides its devices.
const spareDescriptors = mostCallers + 2*dialers + 64

// enoughDescriptors says what to do where a process may not open that many.
func enoughDescriptors(devices int) error {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil || uint64(devices+spareDescriptors) <= limit.Cur {
		return nil
	}
	return fmt.Errorf("%d devices need %d descriptors and this process may open %d: raise the limit (ulimit -n), or share the devices among "+
		"several generators, each with users of its own", devices, devices+spareDescriptors, limit.Cur)
}

// Close drops the devices.
func (s *Session) Close() { s.fleet.close() }

// measure waits for the warm-up and the measured part while others work.
func (s *Session) measure(ctx context.Context, m *meter) (Run, error) {
	drops, repeats := s.fleet.drops.Load(), s.fleet.repeats.Load()
	s.fleet.poller.lag.begin()
	m.measure(time.Now().Add(s.cfg.Warmup), s.cfg.Duration)
	if err := sleep(ctx, s.cfg.Warmup); err != nil {
		return Run{}, err
	}
	before, began := s.procs.usage(), time.Now()
	if err := sleep(ctx, s.cfg.Duration); err != nil {
		return Run{}, err
	}
	used, seconds := s.procs.usage().since(before), time.Since(began).Seconds()
	run := Run{Seconds: s.cfg.Duration.Seconds()}
	s.fleet.ask(func() { run.Messages, run.Latency = m.count, m.latency() })
	run.Rate = float64(run.Messages) / run.Seconds
	run.Others = used.others(seconds)
	run.CPUSeconds = used
	run.CPU = used.per10k(run.Rate * seconds)
	run.Own = s.fleet.poller.lag.end(seconds)
	run.Drops, run.Repeats = s.fleet.drops.Load()-drops, s.fleet.repeats.Load()-repeats
	return run, nil
}

// per10k is seconds for 10,000 messages.
func (u usage) per10k(messages float64) map[string]float64 {
	if messages == 0 {
		return nil
	}
	p := make(map[string]float64, len(u))
	for k, v := range u {
		p[k] = v * 10_000 / messages
	}
	return p
}

func withPatience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience)
}
