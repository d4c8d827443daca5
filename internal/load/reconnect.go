package load

import (
	"context"
	"fmt"
	"time"
)

// awayFor is how long all devices have been gone before each is owed a push:
// the gate and delivery have noticed by then.
const awayFor = 2 * time.Second

// Reconnect lets every device go, pushes once to each, then lets all come back
// at once. Drain is the time until the last one has its push and has been told
// that this was all; the latency of each push is counted from the same moment.
func (s *Session) Reconnect(ctx context.Context) (Run, error) {
	return s.reconnect(ctx, awayFor)
}

func (s *Session) reconnect(ctx context.Context, away time.Duration) (Run, error) {
	s.fleet.park()
	if err := sleep(ctx, away); err != nil {
		return Run{}, err
	}
	p := s.newPushes()
	s.fleet.begin(&traffic{ledger: p.ledger, meter: p.meter})
	defer s.fleet.begin(nil)
	if err := p.pushEach(ctx, len(s.fleet.devices)); err != nil {
		return Run{}, err
	}
	return s.comeBack(ctx, p)
}

// comeBack times the storm.
func (s *Session) comeBack(ctx context.Context, p *pushes) (run Run, err error) {
	s.fleet.poller.lag.begin()
	before, began := s.procs.usage(), time.Now()
	s.fleet.stampFrom(began)
	p.meter.measure(began, patience)
	if err := s.fleet.connect(ctx, 0, len(s.fleet.devices)); err != nil {
		return run, err
	}
	waiting, cancel := withPatience(ctx)
	defer cancel()
	arrived := poll(waiting, p.ledger.here)
	run.Seconds = time.Since(began).Seconds()
	used := s.procs.usage().since(before)
	run.Others = used.others(run.Seconds)
	run.Own = s.fleet.poller.lag.end(run.Seconds)
	s.fleet.ask(func() {
		run.Messages, run.Latency = p.meter.count, p.meter.latency()
		run.Drain = time.Duration(max(s.fleet.lastPush, s.fleet.lastUp) - began.UnixNano()).Seconds()
		err = p.ledger.check()
	})
	run.Rate = float64(run.Messages) / run.Drain
	run.CPUSeconds = used
	run.CPU = used.per10k(float64(run.Messages))
	run.Accepted = p.ledger.accepted.Load()
	if arrived != nil {
		err = fmt.Errorf("not everything came within %s: %w", patience, err)
	}
	return run, err
}

// pushEach makes one push to every user, in calls of a batch.
func (p *pushes) pushEach(ctx context.Context, users int) error {
	c, err := newCaller(ctx, p.cfg.API, p.cfg.Key)
	if err != nil {
		return err
	}
	defer c.close()
	var body []byte
	for left := users; left > 0; {
		n := min(left, p.cfg.Batch)
		t, err := p.call(c, &body, n, time.Now().UnixNano())
		if err != nil {
			return err
		}
		if t.accepted != uint64(n) {
			return fmt.Errorf("push to devices that are away: %d of %d were accepted", t.accepted, n)
		}
		left -= n
	}
	return nil
}
