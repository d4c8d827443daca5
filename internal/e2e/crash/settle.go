package crash

import (
	"context"
	"fmt"
	"sync"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
)

// settle waits until every phone has come home and every push has ended.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	var calm sync.WaitGroup
	for _, p := range r.phones {
		calm.Go(p.Calm)
	}
	calm.Wait()
	if err := r.site.awaitReady(ctx); err != nil {
		return err
	}
	for _, p := range r.phones {
		if err := p.Await(ctx, p.Online); err != nil {
			return fmt.Errorf("wait for %s to come home: %w", p.name(), err)
		}
	}
	err := r.books.AwaitLedger(ctx, func(l *ledger.Ledger) bool { return len(l.Order) >= Pushes && l.Unended == 0 })
	if err == nil {
		err = r.awaitDevices(ctx)
	}
	r.result.Settling = time.Since(start)
	if err != nil {
		r.books.Look(func(l *ledger.Ledger) { err = fmt.Errorf("wait for every outcome, %d are missing: %w", l.Unended, err) })
		return err
	}
	r.cfg.Say("every phone is home and every push has ended after %.1f s more", r.result.Settling.Seconds())
	return nil
}

// awaitDevices waits for an outcome of all that was handed over, for each
// device: those that follow the outcome of the push as a whole.
func (r *run) awaitDevices(ctx context.Context) error {
	for _, p := range r.phones {
		err := r.books.AwaitLedger(ctx, func(l *ledger.Ledger) bool {
			for _, n := range p.got() {
				if x := l.Pushes[ledger.Place{User: p.User, Position: n.position}]; x == nil || len(x.Devices[p.Device.Device]) == 0 {
					return false
				}
			}
			return true
		})
		if err != nil {
			return fmt.Errorf("all that %s was handed: %w", p.name(), err)
		}
	}
	return nil
}

// audit reads the log again, from its start, and holds the three counts against
// each other.
func (r *run) audit(ctx context.Context) error {
	r.ledger = ledger.New()
	if err := ledger.Visit(ctx, r.log, eventlog.EventsTopic, r.ledger.Enter); err != nil {
		return err
	}
	r.books.Look(func(kept *ledger.Ledger) { r.result.compare(kept, r.ledger) })
	a := &audit{ledger: r.ledger, pushes: r.office.pushes, phones: r.phones}
	r.result.Violations = append(r.result.Violations, a.check()...)
	for _, odd := range r.office.oddAnswers() {
		r.result.wrong("an answer", "%s", odd)
	}
	return nil
}

// check all that was counted, then the read models.
func (r *run) check(ctx context.Context) error {
	if err := r.audit(ctx); err != nil {
		return err
	}
	if err := r.checkFunnel(ctx); err != nil {
		r.result.wrong("the funnel", "%v", err)
	}
	if err := r.checkReplay(ctx); err != nil {
		r.result.wrong("the replay", "%v", err)
	}
	// Again, since the projectors were ended and started: they may have been in
	// the middle of a flush.
	if err := r.checkFunnel(ctx); err != nil {
		r.result.wrong("the funnel after the replay", "%v", err)
	}
	return ctx.Err()
}
