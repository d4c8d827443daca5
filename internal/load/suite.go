package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Suite is the project's own set of cases: what `make bench` runs.
type Suite struct {
	Start    Starter
	Say      func(string) // is told in plain words what happens
	Runs     int          // of each case; the result is their median
	Duration time.Duration
	Only     []string // keys of cases; empty = all
	Command  string   // how the page says it was made
}

// Entry is what was found for one case.
type Entry struct {
	Key     string    `json:"key"`
	When    time.Time `json:"when"`
	Command string    `json:"command"`
	Took    float64   `json:"took_seconds"` // the case, starts and stops included
	Machine Machine   `json:"machine"`
	Result
	Idle    *Idle    `json:"idle,omitempty"`
	Rest    *Rest    `json:"rest,omitempty"`
	Replays []Replay `json:"replays,omitempty"`
	Profile *Profile `json:"profile,omitempty"`
	Figures []Figure `json:"figures"`
}

// Run runs the cases; done is called with each entry, so that a later failure
// loses none. A case that fails is an entry with errors, and the next one runs.
func (s *Suite) Run(ctx context.Context, done func(Entry) error) error {
	cases, err := s.chosen()
	if err != nil {
		return err
	}
	for i, c := range cases {
		s.Say(fmt.Sprintf("[%d/%d] %s (%s)", i+1, len(cases), c.Name, c.Key))
		e := s.runCase(ctx, c)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := done(e); err != nil {
			return err
		}
	}
	return nil
}

func (s *Suite) runCase(ctx context.Context, c Case) Entry {
	e := Entry{Key: c.Key, When: time.Now().UTC().Truncate(time.Second), Command: s.Command, Machine: ReadMachine()}
	e.Name = c.Name
	if err := c.run(ctx, s, &e); err != nil {
		e.Errors = append(e.Errors, err.Error())
	}
	e.Took = time.Since(e.When).Seconds()
	e.Figures = c.figures(&e)
	for _, f := range e.Figures {
		s.Say(fmt.Sprintf("  %s: %s %s (goal %s): %s", f.Name, number(f.Value), f.Unit, f.Goal.text(), e.Verdict(f)))
	}
	for _, text := range e.Errors {
		s.Say("  ERROR " + text)
	}
	return e
}

// chosen are the cases that Only names.
func (s *Suite) chosen() ([]Case, error) {
	var cases []Case
	var keys []string
	for _, c := range Cases() {
		keys = append(keys, c.Key)
		if len(s.Only) == 0 || slices.Contains(s.Only, c.Key) {
			cases = append(cases, c)
		}
	}
	for _, key := range s.Only {
		if !slices.Contains(keys, key) {
			return nil, fmt.Errorf("no case is called %q; there are %s", key, strings.Join(keys, ", "))
		}
	}
	return cases, nil
}

// config of a case on a target.
func (s *Suite) config(t Target) Config {
	cfg := Defaults()
	cfg.Target, cfg.Duration = t, s.Duration
	return cfg
}

// start is how a case starts what it measures, and ends it.
type start func(context.Context, *Suite) (Target, func() error, error)

// with lets do work on what from starts, with the devices logged in.
func (s *Suite) with(ctx context.Context, from start, set func(*Config), do func(*Session) error) (err error) {
	target, stop, err := from(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cfg := s.config(target)
	if set != nil {
		set(&cfg)
	}
	session, err := Open(ctx, cfg)
	if err != nil {
		return err
	}
	defer session.Close()
	return do(session)
}

// Seconds of the yardstick: as short as it is steady.
const (
	echoWarmup   = 300 * time.Millisecond
	echoDuration = 1500 * time.Millisecond
)

func (s *Suite) echo(ctx context.Context) (run Run, err error) {
	if run, err = MeasureEcho(ctx, s.Start.Echo); err != nil {
		return run, fmt.Errorf("measure the echo server: %w", err)
	}
	return run, nil
}

// MeasureEcho starts an echo server and measures it for as long as it takes to
// know its rate.
func MeasureEcho(ctx context.Context, start func(context.Context) (Target, func() error, error)) (run Run, err error) {
	target, stop, err := start(ctx)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	cfg := Defaults()
	cfg.Target, cfg.Warmup, cfg.Duration = target, echoWarmup, echoDuration
	return Echo(ctx, cfg, target.Gates[0])
}
