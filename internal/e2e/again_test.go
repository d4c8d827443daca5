package e2e

import (
	"errors"
	"strings"
	"testing"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/engine"
)

// TestAgain: a directory has one Waybill at a time, and the next one goes on
// where the last one stopped.
func TestAgain(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	first := open(t, cfg)
	second := cfg
	second.Gates = []string{freeAddress(t)}
	if dev, err := app.StartDev(t.Context(), second.DevConfig); !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), cfg.Dir) {
		if dev != nil {
			_ = dev.Close()
		}
		t.Errorf("a second Waybill on the directory: got error %v, want one that names it and says that it is in use", err)
	}
	p := &phone{user: "driver-1", device: "phone"}
	p.start(t, first)
	first.awaitConnected(p)
	first.push(request{User: "driver-1", JSON: "one"})
	p.awaitPushes(t, 1)
	p.Enter() // the phone is away when the next push comes, and when all stops
	first.push(request{User: "driver-1", JSON: "two"})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	w := start(t, cfg)
	if w.App != first.App {
		t.Error("the app's keys are other ones after the restart")
	}
	w.push(request{User: "driver-1", JSON: "three"})
	p.Leave()
	got := p.awaitPushes(t, 3)
	for n, want := range []string{`"one"`, `"two"`, `"three"`} {
		if string(got[n].Body) != want {
			t.Errorf("push %d is %s, want %s", n, got[n].Body, want)
		}
	}
	for _, d := range p.disorder {
		t.Error(d)
	}
	w.books.await(t, "three deliveries", func(l *ledger.Ledger) bool { return len(l.Order) == 3 && l.Unended == 0 })
	w.books.Look(func(l *ledger.Ledger) {
		for at, x := range l.Pushes {
			if len(x.Whole) != 1 || !ledger.Delivered(x.Whole) {
				t.Errorf("push %v ended as %v", at, x.Whole)
			}
		}
	})
}
