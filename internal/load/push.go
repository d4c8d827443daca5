package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// busyPause is how long a closed loop waits after a refusal.
const busyPause = 10 * time.Millisecond

// pushes is one run of pushes.
type pushes struct {
	cfg      *Config
	label    string
	ledger   *ledger
	meter    *meter
	window   *window // closed loop only
	late     *late   // open loop only
	template *template
}

func (s *Session) newPushes() *pushes {
	run := rand.Uint64()
	p := &pushes{cfg: &s.cfg, label: fmt.Sprintf("load-%08x", uint32(run)), ledger: &ledger{run: run}, meter: newMeter(), late: newLate()}
	p.template = newTemplate(run, s.fleet.users(), p.label, s.cfg.Body)
	if s.cfg.Rate == 0 {
		p.window = newWindow(s.cfg.Outstanding)
	}
	return p
}

// Push runs pushes against the session's devices. The run is whole: everything
// that was accepted arrived, and has an outcome in the funnel; else it is an
// error, beside the figures.
func (s *Session) Push(ctx context.Context) (Run, error) {
	began := time.Now()
	p := s.newPushes()
	s.fleet.begin(&traffic{ledger: p.ledger, meter: p.meter, window: p.window})
	defer s.fleet.begin(nil)
	probes := s.newProber()
	run, err := s.drive(ctx, p, probes)
	if err != nil {
		probes.abandon()
		return run, err
	}
	err = s.settle(ctx, p, &run, began)
	if s.cfg.Probe {
		err = errors.Join(err, probes.wait(&run))
	}
	return run, err
}

// settle waits until everything has arrived and has an outcome.
func (s *Session) settle(ctx context.Context, p *pushes, run *Run, began time.Time) (err error) {
	stopped := time.Now()
	waiting, cancel := withPatience(ctx)
	defer cancel()
	arrived := poll(waiting, p.ledger.here)
	run.Drain = time.Since(stopped).Seconds()
	run.Accepted, run.Refused, run.Unknown = p.ledger.accepted.Load(), p.ledger.refused.Load(), p.ledger.unknown.Load()
	// Those that were meant for the measured part and came after it count too.
	s.fleet.ask(func() { err, run.Latency = p.ledger.check(), p.meter.latency() })
	run.Own.SendP99, run.Unsent = p.late.p99(), p.late.unsent.Load()
	if run.Unsent > 0 {
		err = errors.Join(err, fmt.Errorf("%d calls were due and never made: the rate was not kept, and the latencies leave them out", run.Unsent))
	}
	if arrived == nil && s.cfg.Console != "" {
		err = errors.Join(err, s.awaitFunnel(ctx, p, began))
		run.Traced = time.Since(stopped).Seconds()
	}
	return err
}

// drive lets the drivers work for the warm-up and the measured part.
func (s *Session) drive(ctx context.Context, p *pushes, probes *prober) (Run, error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	g, working := errgroup.WithContext(working)
	p.start(working, g)
	if s.cfg.Probe {
		probes.start(working)
	}
	run, err := s.measure(working, p.meter)
	stop()
	p.late.giveUp.Store(time.Now().Add(patience).UnixNano())
	if p.window != nil {
		p.window.close()
	}
	if failed := g.Wait(); failed != nil {
		return run, failed
	}
	return run, err
}

// start begins the drivers that the settings ask for.
func (p *pushes) start(ctx context.Context, g *errgroup.Group) {
	switch {
	case p.cfg.Rate > 0:
		due := make(chan int64, 1<<16)
		g.Go(func() error {
			pace(ctx, time.Duration(p.cfg.Batch)*time.Second/time.Duration(p.cfg.Rate), due)
			return nil
		})
		for range min(p.cfg.Callers, mostCallers) {
			g.Go(func() error { return p.openLoop(context.WithoutCancel(ctx), due) })
		}
	case p.cfg.Stream:
		for range streams {
			g.Go(func() error { return p.stream(ctx) })
		}
	default:
		for range p.cfg.Callers {
			g.Go(func() error { return p.closedLoop(ctx) })
		}
	}
}

// closedLoop calls whenever there is room for a batch.
func (p *pushes) closedLoop(ctx context.Context) error {
	c, err := newCaller(ctx, p.cfg.API, p.cfg.Key)
	if err != nil {
		return err
	}
	defer c.close()
	var body []byte
	for ctx.Err() == nil {
		n := p.window.take(p.cfg.Batch, p.cfg.Batch)
		if n == 0 {
			return nil
		}
		t, err := p.call(c, &body, n, time.Now().UnixNano())
		lost := int(t.refused + t.unknown)
		p.window.give(lost)
		if err != nil {
			return err
		}
		if lost > 0 {
			_ = sleep(ctx, busyPause) // its end ends the loop
		}
	}
	return nil
}

// openLoop calls when a call is due, however late that is, until the last one
// that was due has been made: those that wait longest must not be left out.
func (p *pushes) openLoop(ctx context.Context, due <-chan int64) error {
	c, err := newCaller(ctx, p.cfg.API, p.cfg.Key)
	if err != nil {
		return err
	}
	defer c.close()
	var body []byte
	for at := range due {
		if !p.late.record(at, time.Now().UnixNano()) {
			continue
		}
		if _, err := p.call(c, &body, p.cfg.Batch, at); err != nil {
			return err
		}
	}
	return nil
}

// call makes one call of n pushes and enters the answer into the ledger.
func (p *pushes) call(c *caller, body *[]byte, n int, at int64) (tally, error) {
	first := p.ledger.next.Add(uint64(n)) - uint64(n)
	*body = p.template.appendCall((*body)[:0], first, n, at)
	status, answer, err := c.call(*body)
	t := tally{unknown: uint64(n)}
	if err == nil {
		t, err = tallyOf(status, answer, n)
	}
	p.ledger.add(t)
	return t, err
}

// stream writes lines whenever there is room, while another goroutine reads
// the answers.
func (p *pushes) stream(ctx context.Context) error {
	x, err := openLines(ctx, p.cfg.API, p.cfg.Key)
	if err != nil {
		return err
	}
	defer func() { _ = x.nc.Close() }()
	var answers sync.WaitGroup
	var failed error
	answers.Go(func() { failed = x.read(p.answered) })
	err = p.writeLines(ctx, x)
	if err == nil {
		err = x.finish()
	}
	answers.Wait()
	return errors.Join(err, failed)
}

func (p *pushes) writeLines(ctx context.Context, x *lineStream) (err error) {
	var lines, scratch []byte
	for ctx.Err() == nil {
		n := p.window.take(1, linesAtOnce)
		if n == 0 {
			return nil
		}
		first, at := p.ledger.next.Add(uint64(n))-uint64(n), time.Now().UnixNano()
		lines = lines[:0]
		for i := range n {
			lines = append(p.template.append(lines, first+uint64(i), at), '\n')
		}
		if scratch, err = x.write(scratch, lines); err != nil {
			return err
		}
	}
	return nil
}

// answered enters one line's answer into the ledger.
func (p *pushes) answered(status string) {
	var t tally
	t.add(status)
	p.ledger.add(t)
	if t.accepted == 0 {
		p.window.give(1)
	}
}
