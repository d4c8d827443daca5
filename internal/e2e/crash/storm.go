package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// storm pushes and breaks until everything has been accepted and mended.
func (r *run) storm(ctx context.Context) error {
	// Accepting takes longer than pushing: nothing is accepted while the log, or
	// both ingests, are away.
	ctx, cancel := context.WithTimeout(ctx, spanOf(r.cfg.Pushes)+patience)
	defer cancel()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	r.office = &office{
		urls: []string{"http://" + r.site.at(portIngests+1), "http://" + r.site.at(portIngests+2)},
		keys: make(map[string]string), log: r.own, client: &http.Client{Transport: transport}, pushes: drawPushes(r.cfg.Seed, r.cfg.Pushes),
	}
	for name, a := range r.site.apps {
		r.office.keys[name] = a.APIKey
	}
	r.office.withdrawals = withdrawals(r.office.pushes)
	r.office.start()
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	g.Go(func() error {
		err := r.office.work(ctx, r.cfg.Seed)
		r.cfg.Say("%5.1f s  the last push was accepted", time.Since(start).Seconds())
		return err
	})
	g.Go(func() error { return r.office.cancelAll(ctx, r.cfg.Seed) })
	g.Go(func() error { return r.restartPhones(ctx) })
	g.Go(func() error { return r.replacePhones(ctx) })
	for _, f := range r.plan {
		g.Go(func() error { return r.suffer(ctx, start, f) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("storm: %w", err)
	}
	r.result.Pushing = time.Since(start)
	r.cfg.Say("all pushes were accepted and all faults are over after %.1f s", r.result.Pushing.Seconds())
	return nil
}

// suffer lets one fault happen and ends it. On a busy machine a process may be
// back from its last fault later than the plan has the next one: that waits.
func (r *run) suffer(ctx context.Context, start time.Time, f Fault) error {
	if err := pause(ctx, time.Until(start.Add(f.At))); err != nil {
		return err
	}
	turn, _ := r.busy.LoadOrStore(f.Target, new(sync.Mutex))
	turn.(*sync.Mutex).Lock()
	defer turn.(*sync.Mutex).Unlock()
	mend, err := r.breakIt(ctx, f)
	if errors.Is(err, errNobody) {
		r.result.wrong("a fault of the plan", "%s of %s after %.1f s %v", f.Kind, f.Target, f.At.Seconds(), err)
		return nil // who starts it again is its supervisor
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", f.Kind, f.Target, err)
	}
	r.result.happened(f)
	r.cfg.Say("%s", f)
	if err := pause(ctx, f.For); err != nil {
		return err
	}
	if err := mend(ctx); err != nil {
		return fmt.Errorf("end of %s %s: %w", f.Kind, f.Target, err)
	}
	r.cfg.Say("%5.1f s  end of %s %s", time.Since(start).Seconds(), f.Kind, f.Target)
	return nil
}

// restarters end applications and launch them again, each its own phones: what
// ends in a tunnel takes its time.
const restarters = 20

// restartPhones goes on for as long as it is pushed, so that each application
// is launched again about twice.
func (r *run) restartPhones(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	over := time.Now().Add(spanOf(r.cfg.Pushes))
	for n := range restarters {
		rng := rand.New(rand.NewPCG(r.cfg.Seed, uint64(200+n)))
		g.Go(func() error {
			for time.Now().Before(over) {
				if err := pause(ctx, time.Duration(rng.Int64N(int64(Span*restarters/Devices)))); err != nil {
					return err
				}
				if err := r.phones[rng.IntN(Devices/restarters)*restarters+n].restart(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
