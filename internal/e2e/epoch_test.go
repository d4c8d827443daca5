package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/readmodels"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// How much is under way while the log grows.
const (
	epochUsers = 60
	epochAfter = 600 // pushes accepted in the next epoch
)

// TestNextEpoch: waybill.events goes from 4 to 8 partitions while pushes are
// under way. Every call is answered, every push comes once and in order, no phone
// loses its connection, and the console counts what the log says.
func TestNextEpoch(t *testing.T) {
	t.Parallel()
	w := open(t, config(t))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w.openLog()
	var phones []*phone
	for n := range epochUsers {
		phones = append(phones, w.phone(epochUser(n), "phone"))
	}
	w.awaitConnected(phones...)
	l := w.startEpochLoad()
	l.awaitAccepted(2 * epochUsers)
	began := time.Now()
	if err := w.grow(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	l.awaitAccepted(l.accepted() + epochAfter)
	l.stop()
	l.checkOrder(phones)
	checkHeld(t, phones)
	book := w.awaitEnded(l.accepted())
	checkEpochs(t, book)
	ctx, cancel := bounded(t)
	defer cancel()
	funnel := readmodels.FunnelOf(book)
	if err := funnel.Await(ctx, w.url(app.DevConsole), w.App.Name); err != nil {
		t.Error(err)
	}
	rebuilt, err := app.Rebuild(ctx, w.Base, app.RebuildConfig{Wait: patience})
	if err != nil || !rebuilt.Swapped || rebuilt.Partitions != 4+8 {
		t.Errorf("rebuilt from both epochs: %+v (%v)", rebuilt, err)
	}
	t.Logf("%d pushes to %d phones; the change took %v", l.accepted(), len(phones), took)
}

// TestNextEpochThroughFailures: whoever makes the change dies after the
// announcement, and in the middle of it delivery and the session projector are
// torn down, and a gate; then the change is asked for again. Every push comes once
// and in order all the same.
func TestNextEpochThroughFailures(t *testing.T) {
	t.Parallel()
	w := open(t, config(t))
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	w.openLog()
	var phones []*phone
	for n := range epochUsers {
		phones = append(phones, w.phone(epochUser(n), "phone"))
	}
	w.awaitConnected(phones...)
	l := w.startEpochLoad()
	l.awaitAccepted(epochUsers)
	ctx, cancel := context.WithCancel(t.Context())
	died := make(chan error, 1)
	go func() { died <- w.grow(ctx) }()
	poll(t, "the announcement", func() error {
		now, err := w.log.Announced(t.Context())
		if err == nil && now.Epoch != 1 {
			err = fmt.Errorf("the epoch is %d", now.Epoch)
		}
		return err
	})
	cancel()
	<-died // perhaps it had sealed all
	upset := []string{app.DevDelivery, app.DevSession, app.DevGate(1)}
	for _, name := range upset {
		if err := w.Stop(name); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
	}
	if err := w.grow(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range upset {
		w.restart(name)
	}
	l.awaitAccepted(l.accepted() + epochAfter)
	l.stop()
	l.checkOrder(phones)
	checkEpochs(t, w.awaitEnded(l.accepted()))
}

// grow is waybill migrate --partitions 8.
func (w *world) grow(ctx context.Context) error {
	return app.Migrate(ctx, w.Base, app.MigrateConfig{Partitions: 8, Grow: true, Dispatch: 8, Replication: -1, Wait: patience})
}

func epochUser(n int) string { return fmt.Sprintf("user-%02d", n) }

// openLog opens the log without its books: they know one epoch.
func (w *world) openLog() {
	w.t.Helper()
	var err error
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: w.Base.Kafka, Node: "books@test"}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.log.Close)
}

// ledgerOf reads both epochs to their ends: what stands behind a seal counts
// nothing, and the partitions of the second have numbers of their own.
func (w *world) ledgerOf(ctx context.Context) (*ledger.Ledger, error) {
	l := ledger.New()
	sealed := make(map[int32]bool)
	for epoch := range uint16(2) {
		err := ledger.Visit(ctx, w.log, eventlog.EventsOf(epoch), func(n int32, r *eventlog.Entry) {
			switch n += int32(epoch) * 100; {
			case sealed[n]:
			case r.Event.Kind == schemas.Kind_KIND_SEALED:
				sealed[n] = true
			default:
				l.Enter(n, r)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if len(sealed) != 4 {
		return nil, fmt.Errorf("%d partitions are sealed, want 4", len(sealed))
	}
	return l, nil
}

// awaitEnded waits until so many pushes have ended.
func (w *world) awaitEnded(pushes int) (book *ledger.Ledger) {
	w.t.Helper()
	poll(w.t, "the outcomes", func() (err error) {
		if book, err = w.ledgerOf(w.t.Context()); err != nil {
			return err
		}
		if len(book.Order) != pushes || book.Unended > 0 {
			return fmt.Errorf("the log has %d pushes, %d without an end; want %d", len(book.Order), book.Unended, pushes)
		}
		return nil
	})
	return book
}

// checkEpochs: pushes were accepted in both epochs, some began in one and ended
// in the other, and each was delivered once.
func checkEpochs(t *testing.T, book *ledger.Ledger) {
	t.Helper()
	began := make(map[uint16]int)
	for at, x := range book.Pushes {
		began[schemas.Position(at.Position).Epoch()]++
		if len(x.Whole) != 1 || !ledger.Delivered(x.Whole) {
			t.Errorf("push %v ended as %v, want once, delivered", at, x.Whole)
		}
	}
	if began[0] == 0 || began[1] == 0 {
		t.Errorf("pushes by epoch: %v, want some in both", began)
	}
}

// epochLoad are callers who push to their users by turns, each call after the
// answer to the one before: so each user's pushes have an order.
type epochLoad struct {
	bell.Bell
	w    *world
	stop func() // ends it and waits for all answers

	mu   sync.Mutex
	said map[string]int // pushes accepted, by user
}

// epochCallers push at the same time.
const epochCallers = 4

func (w *world) startEpochLoad() *epochLoad {
	l := &epochLoad{w: w, said: make(map[string]int)}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for c := range epochCallers {
		all.Go(func() {
			for n := c; ctx.Err() == nil; n += epochCallers {
				l.push(epochUser(n % epochUsers))
			}
		})
	}
	l.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
	})
	w.t.Cleanup(l.stop)
	return l
}

// push must be accepted, at the first time that it is said.
func (l *epochLoad) push(user string) {
	resp, b, err := l.w.post(context.WithoutCancel(l.w.t.Context()), request{User: user, Family: 7, JSON: l.of(user) + 1, Label: "epoch"})
	if err != nil || resp.StatusCode != http.StatusAccepted {
		l.w.t.Errorf("push to %s was not accepted: %.300s (%v)", user, b, err)
		return
	}
	l.mu.Lock()
	l.said[user]++
	l.mu.Unlock()
	l.Ring()
}

// of is how many pushes of the user have been accepted.
func (l *epochLoad) of(user string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said[user]
}

// accepted is how many pushes there are.
func (l *epochLoad) accepted() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, of := range l.said {
		n += of
	}
	return n
}

func (l *epochLoad) awaitAccepted(n int) {
	l.w.t.Helper()
	awaitRing(l.w.t, &l.Bell, fmt.Sprintf("push %d to be accepted", n), func() bool { return l.accepted() >= n })
}

// checkOrder: each phone was handed every push of its user, once, in the order in
// which they were accepted.
func (l *epochLoad) checkOrder(phones []*phone) {
	l.w.t.Helper()
	for _, p := range phones {
		for n, push := range p.awaitPushes(l.w.t, l.of(p.user)) {
			if string(push.Body) != fmt.Sprint(n+1) {
				l.w.t.Fatalf("push %d of %s is the one that was pushed as %s", n+1, p.user, push.Body)
			}
		}
		for _, d := range p.disorder {
			l.w.t.Error(d)
		}
	}
}
