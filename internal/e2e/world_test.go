package e2e

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"waybill/delivery"
	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/program"
	"waybill/internal/eventlog"
)

// world is a whole Waybill with the books of its log.
type world struct {
	*app.Dev
	t       testing.TB
	engines *engines // nil = the embedded ones of Dev
	gates   []string // where devices connect
	books   books
	log     *eventlog.Log
}

// setup is what a world is started from, once or again.
type setup struct {
	app.DevConfig
	engines *engines
}

// settings are short where somebody would wait: a push that is never
// acknowledged is judged soon.
func settings() *delivery.Settings {
	s := delivery.Defaults()
	s.AckTimer = 3 * time.Second
	s.Lease = 3 * time.Second
	return &s
}

// config is that of a Waybill with two gates in a directory of the test, on
// embedded engines or, if the tests are for those, on real ones with one broker.
func config(t testing.TB) setup { return configOf(t, 1) }

func configOf(t testing.TB, brokers int) setup {
	t.Helper()
	s := setup{DevConfig: app.DevConfig{
		Dir: t.TempDir(), Gates: []string{freeAddress(t), freeAddress(t)},
		Ingest: "127.0.0.1:0", Console: "127.0.0.1:0",
		Lease: 3 * time.Second, Session: 6 * time.Second, Drain: time.Second,
		Settings: settings(), Host: "test", Logger: logger(t),
	}}
	if onRealEngines() {
		s.engines = startEngines(t, s.Dir, brokers)
		s.External = s.engines.addresses
	}
	return s
}

// logger writes to a file beside the test's state; WAYBILL_TEST_LOG names a
// folder that outlives the test.
func logger(t testing.TB) *slog.Logger {
	t.Helper()
	dir := os.Getenv("WAYBILL_TEST_LOG")
	if dir == "" {
		return slog.New(slog.DiscardHandler)
	}
	f, err := os.OpenFile(filepath.Join(dir, t.Name()+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return slog.New(slog.NewTextHandler(f, nil))
}

// freeAddress is one that a gate, or a broker, can come back to.
func freeAddress(t testing.TB) string {
	t.Helper()
	return new(program.Ports).Free(t)
}

// start starts a Waybill and the books; both end with the test.
func start(t testing.TB, cfg setup) *world {
	t.Helper()
	w := open(t, cfg)
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w.keepBooks()
	return w
}

// open starts a Waybill that the test closes itself.
func open(t testing.TB, cfg setup) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dev, err := app.StartDev(ctx, cfg.DevConfig)
	if err != nil {
		t.Fatal(err)
	}
	return &world{Dev: dev, t: t, engines: cfg.engines, gates: cfg.Gates, books: books{ledger.NewBooks()}}
}

// keepBooks follows the log until the test ends.
func (w *world) keepBooks() {
	w.t.Helper()
	var err error
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: w.Base.Kafka, Node: "books@test"}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.log.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- w.books.Keep(ctx, w.log)
	}()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("keep books: %v", err)
		}
	})
}

func (w *world) url(stage string) string { return "http://" + w.Stage(stage).Addr() }

// restart starts a stage that was stopped.
func (w *world) restart(name string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.Start(ctx, name); err != nil {
		w.t.Errorf("start %s again: %v", name, err)
	}
}

// awaitConnected waits until the log has a route of each phone.
func (w *world) awaitConnected(phones ...*phone) {
	w.t.Helper()
	for _, p := range phones {
		p.await(w.t, p.name()+" to be connected", p.Online)
	}
}

// partitionOf finds the partition of a user by asking the log: that of a push
// that was accepted.
func (w *world) partitionOf(user string) int32 {
	w.t.Helper()
	var at int32 = -1
	w.books.await(w.t, "the partition of "+user, func(b *ledger.Ledger) bool {
		n, ok := b.Partitions[user]
		at = n
		return ok
	})
	return at
}
