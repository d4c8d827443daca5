package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/readmodels"
)

// settle waits until every phone has come home and every push has ended but for
// those who are away.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	var calm sync.WaitGroup
	for _, p := range r.all() {
		calm.Go(p.Calm)
	}
	calm.Wait()
	if err := r.site.awaitReady(ctx); err != nil {
		return err
	}
	if err := r.awaitKicks(ctx); err != nil {
		return err
	}
	r.phones, r.newer = append(r.phones, r.newer...), nil
	err := r.awaitEnd(ctx, countAway(r.office.pushes))
	r.result.Settling = time.Since(start)
	if err == nil {
		r.cfg.Say("every phone is home and every push for them has ended after %.1f s more", r.result.Settling.Seconds())
	}
	return err
}

// awaitEnd waits until all phones are home, all pushes but so many have ended,
// and all that was handed over has ended for each device.
func (r *run) awaitEnd(ctx context.Context, left int) error {
	for _, p := range r.phones {
		if err := p.Await(ctx, p.Online); err != nil {
			return fmt.Errorf("wait for %s to come home: %w", p.name(), err)
		}
	}
	err := r.books.AwaitLedger(ctx, func(l *ledger.Ledger) bool { return len(l.Order) >= r.cfg.Pushes && l.Unended <= left })
	if err == nil {
		err = r.awaitDevices(ctx)
	}
	if err != nil {
		r.books.Look(func(l *ledger.Ledger) { err = fmt.Errorf("wait for every outcome, %d are missing: %w", l.Unended, err) })
	}
	return err
}

// awaitDevices waits for an outcome of all that was handed over or is owed, for
// each device: those that follow the outcome of the push as a whole.
func (r *run) awaitDevices(ctx context.Context) error {
	for _, p := range r.phones {
		err := r.books.AwaitLedger(ctx, func(l *ledger.Ledger) bool {
			for _, n := range p.got() {
				if x := l.Pushes[l.Find(ledger.Place{User: p.User, Position: n.Position})]; x == nil || len(x.Devices[p.Device.Device]) == 0 {
					return false
				}
			}
			return len(p.unpaid(l)) == 0
		})
		if err != nil {
			return fmt.Errorf("all that is for %s: %w", p.name(), err)
		}
	}
	return nil
}

// fewest comparisons of the caller's order with the log's: a quarter of what the
// lines of streams usually yield.
const fewest = 500

// fewestShort of the about 2,000 short-lived pushes must arrive: less than half
// of what did in the worst run.
const fewestShort = 300

// audit reads the log again, from its start and raw, and holds the three counts
// against each other.
func (r *run) audit(ctx context.Context) error {
	r.ledger = ledger.New()
	raw := ledger.NewRaw(r.ledger.Enter)
	if err := raw.Read(ctx, r.site.kafka.Addrs()); err != nil {
		return err
	}
	r.result.records, r.result.twice = raw.Records, raw.Repeats
	for _, say := range raw.Wrong {
		r.result.wrong("the log", "%s", say)
	}
	r.books.Look(func(kept *ledger.Ledger) { r.result.compare(kept, r.ledger) })
	a := &audit{ledger: r.ledger, pushes: r.office.pushes, withdrawals: r.office.withdrawals, phones: r.all()}
	r.result.Violations = append(r.result.Violations, a.check()...)
	r.result.linePairs, r.result.callPairs = a.linePairs, a.callPairs
	r.result.did = a.did
	for _, say := range a.did.lacks() {
		r.result.wrong("the options", "%s: that shows nothing", say)
	}
	if a.linePairs < fewest || a.callPairs < fewest {
		r.result.wrong("the order", "was compared for %d lines and %d calls, want %d each: that shows nothing", a.linePairs, a.callPairs, fewest)
	}
	if a.shortDelivered < fewestShort {
		r.result.wrong("short-lived pushes", "arrived %d times, want %d: what ends all of them shows nothing", a.shortDelivered, fewestShort)
	}
	for _, odd := range r.office.oddAnswers() {
		r.result.wrong("an answer", "%s", odd)
	}
	return nil
}

// check the read models while some users are away, then replay Postgres; when
// those have come home, hold all that was counted, and the read models, against
// the log.
func (r *run) check(ctx context.Context) error {
	var want readmodels.Funnel
	r.books.Look(func(l *ledger.Ledger) { want = readmodels.FunnelOf(l) })
	if err := r.checkFunnel(ctx, want); err != nil {
		r.result.wrong("the funnel", "%v", err)
	}
	if err := r.checkReplay(ctx); err != nil {
		r.result.wrong("the replay", "%v", err)
	}
	if err := r.comeHome(ctx); err != nil {
		return errors.Join(err, r.audit(ctx)) // which says what is missing
	}
	if err := r.audit(ctx); err != nil {
		return err
	}
	if err := r.checkFunnel(ctx, readmodels.FunnelOf(r.ledger)); err != nil {
		r.result.wrong("the funnel at the end", "%v", err)
	}
	if err := r.checkHistory(ctx); err != nil {
		r.result.wrong("the history", "%v", err)
	}
	return ctx.Err()
}
