package crash

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
)

// Config of a run.
type Config struct {
	Seed   uint64
	Dir    string               // for all that it writes; made if it is missing
	Binary string               // waybill
	Port   int                  // the first of 100 that it uses
	Say    func(string, ...any) // progress, a line each
}

// patience bounds each wait; none takes as long when all is well.
const patience = 150 * time.Second

// run is one run, from the first process to the last check.
type run struct {
	cfg    Config
	own    *slog.Logger // of this process
	site   *site
	log    *eventlog.Log // of the books alone
	books  *ledger.Books
	phones []*phone
	office *office
	plan   []Fault
	result *Result

	stopBooks func() error
}

// Run makes one crash run. An error says that it could not be made or did not
// come to its end; what it found is in the Result, which is never nil.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	r := &run{cfg: cfg, plan: draw(cfg.Seed), books: ledger.NewBooks(), result: &Result{Seed: cfg.Seed, Began: time.Now()}}
	r.site = &site{
		dir: cfg.Dir, binary: cfg.Binary, port: cfg.Port,
		app: app.DevApp{Name: "freight", APIKey: "office-of-the-crash-run-0123456789", Secret: "phones-of-the-crash-run-0123456789"},
	}
	f, err := openLog(cfg.Dir)
	if err != nil {
		return r.result, err
	}
	r.own = slog.New(slog.NewTextHandler(f, nil))
	err = r.whole(ctx)
	r.finish(ctx, err)
	return r.result, errors.Join(err, r.close(), f.Close(), checkLeftovers(cfg))
}

// openLog is where this process writes: beside the logs of the others.
func openLog(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(dir, "logs", "run.log"))
}

// whole is the run without its end.
func (r *run) whole(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.storm(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	return r.check(ctx)
}

// begin starts everything, and the phones last.
func (r *run) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	if err := startSite(ctx, r.site); err != nil {
		return err
	}
	if err := r.keepBooks(); err != nil {
		return err
	}
	for n := range users {
		for d := range 1 + (3-n%4)/3 {
			p := &phone{Device: ledger.Device{User: fmt.Sprintf("user-%03d", n), Device: fmt.Sprintf("phone-%d", d)}}
			if err := p.start(r.site, rand.New(rand.NewPCG(r.cfg.Seed, uint64(1000+len(r.phones))))); err != nil {
				return err
			}
			r.phones = append(r.phones, p)
		}
	}
	for _, p := range r.phones {
		if err := p.Await(ctx, func() bool { return p.connected() > 0 }); err != nil {
			return fmt.Errorf("wait for %s to connect: %w", p.name(), err)
		}
	}
	r.cfg.Say("everything runs and %d phones have connected after %.1f s", len(r.phones), time.Since(start).Seconds())
	return nil
}

// keepBooks follows the log until the run ends.
func (r *run) keepBooks() error {
	var err error
	r.log, err = eventlog.Open(eventlog.Config{Brokers: r.site.kafka.Addrs(), Node: "books@crash", Log: r.own})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.books.Keep(ctx, r.log) }()
	r.stopBooks = func() error {
		cancel()
		err := <-done
		r.log.Close()
		return err
	}
	return nil
}

// storm pushes and breaks until everything has been accepted and mended.
func (r *run) storm(ctx context.Context) error {
	// Accepting takes longer than pushing: nothing is accepted while the log, or
	// both ingests, are away.
	ctx, cancel := context.WithTimeout(ctx, Span+patience)
	defer cancel()
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	defer transport.CloseIdleConnections()
	r.office = &office{
		urls: []string{"http://" + r.site.at(portIngests+1), "http://" + r.site.at(portIngests+2)},
		key:  r.site.app.APIKey, log: r.own, client: &http.Client{Transport: transport}, pushes: drawPushes(r.cfg.Seed),
	}
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	g.Go(func() error {
		err := r.office.work(ctx, r.cfg.Seed)
		r.cfg.Say("%5.1f s  the last push was accepted", time.Since(start).Seconds())
		return err
	})
	g.Go(func() error { return r.restartPhones(ctx) })
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

// suffer lets one fault happen and ends it.
func (r *run) suffer(ctx context.Context, start time.Time, f Fault) error {
	if err := pause(ctx, time.Until(start.Add(f.At))); err != nil {
		return err
	}
	mend, err := r.breakIt(ctx, f)
	if err != nil {
		return fmt.Errorf("%s %s: %w", f.Kind, f.Target, err)
	}
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
	over := time.Now().Add(Span)
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

// pause lets the time of the plan pass.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

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
		if err := p.Await(ctx, p.online); err != nil {
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

// check reads the log again, from its start, and judges.
func (r *run) check(ctx context.Context) error {
	l := ledger.New()
	if err := ledger.Visit(ctx, r.log, eventlog.EventsTopic, l.Enter); err != nil {
		return err
	}
	r.books.Look(func(kept *ledger.Ledger) { r.result.compare(kept, l) })
	a := &audit{ledger: l, pushes: r.office.pushes, phones: r.phones}
	r.result.Violations = append(r.result.Violations, a.check()...)
	if err := r.checkFunnel(ctx, l); err != nil {
		r.result.wrong("the funnel", "%v", err)
	}
	if err := r.checkReplay(ctx); err != nil {
		r.result.wrong("the replay", "%v", err)
	}
	for _, odd := range r.office.oddAnswers() {
		r.result.wrong("an answer", "%s", odd)
	}
	return ctx.Err()
}
