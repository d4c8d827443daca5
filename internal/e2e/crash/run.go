package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

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
	Pushes int                  // 0 = the default; the run takes a Span for each so many
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
	away   []*phone // come home at the end
	solos  []*phone // replaced in the middle of the run
	newer  []*phone // those by which they are
	office *office
	plan   []Fault
	ledger *ledger.Ledger // as the log says at the end
	result *Result

	stopBooks func() error

	busy sync.Map // target → *sync.Mutex, held while a fault happens to it
}

// Run makes one crash run. An error says that it could not be made or did not
// come to its end; what it found is in the Result, which is never nil.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	cfg.Pushes = cmp.Or(cfg.Pushes, Pushes)
	r := &run{cfg: cfg, plan: plan(cfg.Seed, spanOf(cfg.Pushes)), books: ledger.NewBooks(), result: &Result{Seed: cfg.Seed, Began: time.Now()}}
	r.site = &site{
		dir: cfg.Dir, binary: cfg.Binary, port: cfg.Port,
		apps: map[string]app.DevApp{freight: newApp(freight), post: newApp(post)},
	}
	f, err := openLog(cfg.Dir)
	if err != nil {
		return r.result, err
	}
	r.own = slog.New(slog.NewTextHandler(f, nil))
	err = r.whole(ctx)
	r.finish(ctx, err)
	err = errors.Join(err, r.close(), f.Close(), checkLeftovers(cfg))
	for _, say := range searchLogs(filepath.Join(cfg.Dir, "logs")) { // of all that they said, at their end too
		r.result.wrong("a process panicked", "%s", say)
	}
	return r.result, err
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
		return errors.Join(err, r.audit(ctx)) // which says what is missing
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
		for d := range devicesOf(n) {
			p := &phone{Device: ledger.Device{User: user(n), Device: fmt.Sprintf("phone-%d", d)}}
			p.Bad(rand.New(rand.NewPCG(r.cfg.Seed, uint64(1000+len(r.phones)))), r.site.troubles())
			if err := p.start(r.site); err != nil {
				return err
			}
			r.phones = append(r.phones, p)
		}
	}
	if err := errors.Join(r.leave(ctx), r.settleSolos(ctx)); err != nil {
		return err
	}
	for _, p := range r.phones {
		if err := p.Await(ctx, func() bool { return p.Homes() > 0 }); err != nil {
			return fmt.Errorf("wait for %s to connect: %w", p.name(), err)
		}
		p.early = true
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

// all phones that there are by now, those that were replaced among them.
func (r *run) all() []*phone {
	return slices.DeleteFunc(slices.Concat(r.phones, r.newer, r.solos), func(p *phone) bool { return p == nil })
}

// close ends the phones, the books and everything else.
func (r *run) close() error {
	var errs []error
	for _, p := range r.all() {
		errs = append(errs, p.stop())
	}
	if r.stopBooks != nil {
		errs = append(errs, r.stopBooks())
	}
	return errors.Join(append(errs, r.site.close())...)
}
