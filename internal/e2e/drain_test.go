package e2e

import (
	"fmt"
	"strings"
	"testing"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// TestDrain: gates are stopped and started one after another, as in a release,
// while pushes come all the time. The phones are handed over, nobody is left when
// a gate ends, and each has every push, once and in order.
func TestDrain(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.DrainTime = patience
	w := start(t, cfg)
	d := &drain{world: w}
	for n := range 20 {
		d.phones = append(d.phones, w.phone(fmt.Sprintf("driver-%d", n), "phone"))
	}
	w.awaitConnected(d.phones...)
	for round, n := range []int{1, 2, 1} {
		d.drains(n)
		for _, p := range d.phones {
			p.awaitHome(t, round+2)
		}
		w.books.await(t, "the end of each connection", func(l *ledger.Ledger) bool {
			return l.Ends[schemas.Reason_REASON_GATE_STOPPING] == len(d.phones)*(round+1)
		})
		w.restart(app.DevGate(n))
	}
	d.pushAll()
	for _, p := range d.phones {
		d.check(p)
	}
}

// drain is a release of the gates.
type drain struct {
	*world
	phones []*phone
	pushes int // to each
}

// drains stops a gate while pushes come.
func (d *drain) drains(gate int) {
	d.t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- d.Stop(app.DevGate(gate)) }()
	for {
		d.pushAll()
		select {
		case err := <-stopped:
			if err != nil {
				d.t.Errorf("stop gate %d: %v", gate, err)
			}
			return
		default:
		}
	}
}

func (d *drain) pushAll() {
	d.t.Helper()
	for _, p := range d.phones {
		d.push(request{User: p.user, JSON: d.pushes})
	}
	d.pushes++
}

// check holds what a phone has against what was pushed to it.
func (d *drain) check(p *phone) {
	d.t.Helper()
	for n, got := range p.awaitPushes(d.t, d.pushes) {
		if string(got.Body) != fmt.Sprint(n) {
			d.t.Fatalf("%s: push %d is %s", p.name(), n, got.Body)
		}
	}
	p.expect(d.t, d.pushes, 4, "")
	for _, err := range p.Ends() {
		if !strings.Contains(err.Error(), "redirected to ") {
			d.t.Errorf("%s: a connection ended by %v, want a redirect", p.name(), err)
		}
	}
}
