package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Suite is the project's own set of cases: what `make bench` runs. It starts
// what it measures, a fresh Waybill for each case, and ends it.
type Suite struct {
	// Dev starts a Waybill; its last result ends it.
	Dev func(context.Context) (Target, func() error, error)
	// Gate starts one more gate, alone in its process, beside a Waybill.
	Gate func(context.Context, Target) (Target, func() error, error)
	// Echo starts the yardstick; the target has only Gate and PIDs.
	Echo func(context.Context) (Target, func() error, error)
	// Say is told in plain words what happens.
	Say      func(string)
	Runs     int
	Duration time.Duration // of each run's measured part
	Idle     int           // connections; 0 leaves the case out
}

// Report is what a suite found.
type Report struct {
	Command string    `json:"command"`
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	Cases   []Case    `json:"cases"`
	Idle    *Idle     `json:"idle,omitempty"`
	Errors  []string  `json:"errors,omitempty"`
}

// Case is one row: a result, and the yardstick that was measured right before.
type Case struct {
	Result
	Echo Run `json:"echo"`
}

// plan is one case to run.
type plan struct {
	name string
	set  func(*Config)
	run  func(*Session, context.Context) (Run, error)
	runs int // 0 = as many as the suite wants
}

func plans() []plan {
	push := func(name string, set func(*Config)) plan { return plan{name: name, set: set, run: (*Session).Push} }
	return []plan{
		push("closed loop, calls of 100", func(*Config) {}),
		push("closed loop, calls of 10", func(c *Config) { c.Batch = 10 }),
		push("closed loop, one push a call", func(c *Config) { c.Batch = 1 }),
		push("closed loop, 8 NDJSON streams", func(c *Config) { c.Stream = true }),
		push("open loop 1,000/s, one push a call", func(c *Config) { c.Batch, c.Rate = 1, 1000 }),
		push("open loop 5,000/s, one push a call", func(c *Config) { c.Batch, c.Rate = 1, 5000 }),
		{name: "uplinks, one on its way for each device", set: func(*Config) {}, run: (*Session).Uplinks},
		{name: "all devices come back at once, each owed one push", set: func(*Config) {}, run: (*Session).Reconnect, runs: 1},
	}
}

// Run runs every case. A case that fails is reported and the next one runs.
func (s Suite) Run(ctx context.Context) (Report, error) {
	r := Report{Began: time.Now(), Machine: ReadMachine()}
	for _, p := range plans() {
		c, err := s.runCase(ctx, p)
		if ctx.Err() != nil {
			return r, context.Cause(ctx)
		}
		c.Name = p.name
		if err != nil {
			c.Errors = append(c.Errors, err.Error())
		}
		s.Say(fmt.Sprintf("%s: %s", p.name, c.Median.line()))
		for _, e := range c.Errors {
			s.Say("  ERROR " + e)
			r.Errors = append(r.Errors, p.name+": "+e)
		}
		r.Cases = append(r.Cases, c)
	}
	if s.Idle == 0 {
		return r, nil
	}
	i, err := s.runIdle(ctx)
	if err != nil {
		r.Errors = append(r.Errors, "idle: "+err.Error())
	}
	r.Idle = &i
	return r, nil
}

func (s Suite) runCase(ctx context.Context, p plan) (c Case, err error) {
	if c.Echo, err = s.runEcho(ctx); err != nil {
		return c, fmt.Errorf("measure the echo server: %w", err)
	}
	target, stop, err := s.Dev(ctx)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cfg := Defaults()
	cfg.Target, cfg.Duration = target, s.Duration
	p.set(&cfg)
	session, err := Open(ctx, cfg)
	if err != nil {
		return c, err
	}
	defer session.Close()
	runs := s.Runs
	if p.runs > 0 {
		runs = p.runs
	}
	c.Result = Repeat(p.name, runs, func() (Run, error) {
		run, err := p.run(session, ctx)
		session.cfg.Warmup = time.Second // what has run once is warm
		return run, err
	})
	return c, nil
}

// Seconds of the yardstick: as short as it is steady.
const (
	echoWarmup   = 300 * time.Millisecond
	echoDuration = 1500 * time.Millisecond
)

func (s Suite) runEcho(ctx context.Context) (run Run, err error) {
	target, stop, err := s.Echo(ctx)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cfg := Defaults()
	cfg.Target, cfg.Warmup, cfg.Duration = target, echoWarmup, echoDuration
	return Echo(ctx, cfg, target.Gate)
}

func (s Suite) runIdle(ctx context.Context) (i Idle, err error) {
	dev, stop, err := s.Dev(ctx)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	gate, stopGate, err := s.Gate(ctx, dev)
	if err != nil {
		return i, err
	}
	defer func() { err = errors.Join(err, stopGate()) }()
	cfg := Defaults()
	cfg.Target, cfg.Devices = gate, s.Idle
	return MeasureIdle(ctx, cfg, max(s.Idle/8, 1))
}
