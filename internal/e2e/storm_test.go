package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/radio"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// How much there is of everything in the storm: 100 calls of 200 pushes, to
// users of whom every fourth has two devices.
const (
	stormUsers  = 400
	stormCalls  = 100
	stormCall   = 200
	stormUpsets = 5
	// stormAhead is how many pushes may be on their way: enough to keep
	// everybody busy, and no more than is decided soon after an upset.
	stormAhead = 2500
)

// storm is twenty thousand pushes to five hundred phones that keep losing
// their connections, while gates and delivery are torn down under them.
type storm struct {
	*world
	rng    *rand.Rand // of the caller
	phones []*phone
	faults map[string]*eventlog.Faults
	tried  int
	named  []request // with a push id, to be said twice
}

// What is torn down and started again: the stages that the show names, and the
// readers behind them. Who is torn down alone meets others that go on: gates a
// worker that says everything again, a worker gates of a new incarnation.
var (
	gates   = []string{app.DevGate(1), app.DevGate(2)}
	workers = []string{app.DevDelivery, app.DevSession, app.DevHop}
	torn    = slices.Concat(gates, workers)
	upsets  = [stormUpsets][][]string{{torn}, {torn}, {gates, workers}, {workers, gates}, {torn}}
)

func TestStorm(t *testing.T) {
	s := newStorm(t, seed(t))
	g, ctx := errgroup.WithContext(t.Context())
	g.Go(func() error { return s.pushAll(ctx) })
	for n := range stormUpsets {
		at := (n + 1) * stormCalls * stormCall / (stormUpsets + 2)
		s.books.await(t, fmt.Sprintf("push %d", at), func(l *ledger.Ledger) bool { return len(l.Order) >= at })
		for _, names := range upsets[n] {
			s.upset(names, n%2 == 1)
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.phones {
		p.Calm()
	}
	s.awaitConnected(s.phones...)
	s.awaitOutcomes()
	s.check()
}

// seed of all troubles: WAYBILL_SEED, for a search.
func seed(t *testing.T) uint64 {
	text := cmp.Or(os.Getenv("WAYBILL_SEED"), "3")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("WAYBILL_SEED is %q: a whole number is allowed", text)
	}
	return n
}

func newStorm(t *testing.T, seed uint64) *storm {
	cfg := config(t)
	cfg.StageFaults = make(map[string]*eventlog.Faults)
	for _, name := range torn {
		cfg.StageFaults[name] = new(eventlog.Faults)
	}
	s := &storm{world: start(t, cfg), rng: rand.New(rand.NewPCG(seed, 0)), faults: cfg.StageFaults}
	for n := range stormUsers {
		for d := range 1 + (3-n%4)/3 {
			p := &phone{user: fmt.Sprintf("user-%03d", n), device: fmt.Sprintf("phone-%d", d)}
			p.Bad(rand.New(rand.NewPCG(seed, uint64(1+len(s.phones)))), radio.Troubles{Reads: 8, Tunnel: 950 * time.Millisecond})
			s.phones = append(s.phones, p)
			p.start(t, s.world)
		}
	}
	s.awaitConnectedOnce()
	return s
}

// awaitConnectedOnce waits until each phone has been connected, whatever has
// become of it since.
func (s *storm) awaitConnectedOnce() {
	s.t.Helper()
	for _, p := range s.phones {
		p.await(s.t, p.name()+" to connect", func() bool { return p.Homes() > 0 })
	}
}

// pushAll makes the calls, none further ahead of the outcomes than allowed.
func (s *storm) pushAll(ctx context.Context) error {
	for range stormCalls {
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
		if err := s.call(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *storm) waitForRoom(ctx context.Context) error {
	for {
		rung := s.books.Next()
		open := 0
		s.books.Look(func(l *ledger.Ledger) { open = l.Unended })
		if open < stormAhead {
			return nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// call pushes once; everything in it must be accepted.
func (s *storm) call(ctx context.Context) error {
	batch := make([]request, stormCall)
	for n := range batch {
		batch[n] = s.request()
	}
	resp, b, err := s.post(ctx, batch)
	if err != nil {
		return err
	}
	var answers []answer
	if err := json.Unmarshal(b, &answers); err != nil || resp.StatusCode != http.StatusAccepted || len(answers) != stormCall {
		return errors.Join(fmt.Errorf("push: %s: %.300s", resp.Status, b), err)
	}
	return nil
}

// request draws one: most live long; some are of use for a moment only, some
// are for nobody, some are said twice.
func (s *storm) request() request {
	s.tried++
	r := request{
		User: fmt.Sprintf("user-%03d", s.rng.IntN(stormUsers)), Family: 7, JSON: s.tried, TTL: seconds(3600),
		Label: []string{"order", "price", "news"}[s.rng.IntN(3)],
	}
	switch d := s.rng.IntN(100); {
	case d < 4:
		r.TTL = seconds(float64(s.rng.IntN(3)) / 2)
	case d < 5:
		r.User, r.TTL = fmt.Sprintf("nobody-%d", s.rng.IntN(10)), seconds(1)
	case d < 6 && len(s.named) > 0:
		return s.named[s.rng.IntN(len(s.named))]
	case d < 8:
		r.PushID = fmt.Sprintf("order-%d", s.tried)
		s.named = append(s.named, r)
	}
	return r
}

// upset tears stages down and starts them again, or kills them: their log fails
// first, so that nothing that they say in the end gets out.
func (s *storm) upset(names []string, kill bool) {
	s.t.Helper()
	var g errgroup.Group
	for _, name := range names {
		if kill {
			cutOff(s.faults[name], s.App.Name)
		}
		g.Go(func() error { return s.Stop(name) })
	}
	if err := g.Wait(); err != nil && !kill {
		s.t.Errorf("stop: %v", err)
	}
	for _, name := range names {
		s.faults[name].Clear()
		s.restart(name)
	}
}

var errPulled = errors.New("the plug is pulled")

// cutOff lets nothing of a stage get into the log any more, nor out of it.
func cutOff(f *eventlog.Faults, tenant string) {
	for _, topic := range []string{
		eventlog.EventsTopic, eventlog.DispatchTopic, eventlog.GatesTopic, eventlog.ControlTopic, eventlog.UplinkTopic(tenant),
	} {
		f.Fail(topic, eventlog.AllPartitions, errPulled)
	}
}

// awaitOutcomes waits until each push has ended, as a whole and for each
// device that was handed it.
func (s *storm) awaitOutcomes() {
	s.t.Helper()
	s.books.await(s.t, "an outcome of every push", func(l *ledger.Ledger) bool {
		return len(l.Order) >= stormCalls*stormCall && l.Unended == 0
	})
	for _, p := range s.phones {
		s.books.await(s.t, "an outcome of all that "+p.name()+" was handed", func(l *ledger.Ledger) bool {
			for _, push := range p.got() {
				x := l.Pushes[ledger.Place{User: p.user, Position: push.Position}]
				if x == nil || len(x.Devices[p.device]) == 0 {
					return false
				}
			}
			return true
		})
	}
}

func (s *storm) check() {
	s.t.Helper()
	s.books.Look(func(l *ledger.Ledger) {
		s.checkOutcomes(l)
		for _, p := range s.phones {
			s.checkPhone(l, p)
		}
		s.t.Log("\n" + s.table(l))
	})
	s.checkFunnel()
	s.checkReplay()
}

// checkOutcomes: one as a whole, at most one for each device.
func (s *storm) checkOutcomes(l *ledger.Ledger) {
	for at, x := range l.Pushes {
		if len(x.Whole) != 1 {
			s.t.Errorf("push %v has %d outcomes as a whole: %v", at, len(x.Whole), x.Whole)
			continue
		}
		if end := x.Whole[0]; x.TTL > 10_000 && end.Class != schemas.Class_CLASS_DELIVERED && end.Reason != schemas.Reason_REASON_DUPLICATE {
			s.t.Errorf("push %v could have lived for long and ended as %v", at, end)
		}
		for name, ends := range x.Devices {
			if len(ends) > 1 {
				s.t.Errorf("push %v has %d outcomes for %s: %v", at, len(ends), name, ends)
			}
		}
	}
}

// checkPhone: what was delivered was handed over, once and in order, and what
// was handed over was delivered or ended as unconfirmed.
func (s *storm) checkPhone(l *ledger.Ledger, p *phone) {
	for _, d := range p.disorder {
		s.t.Error(d)
	}
	handed := make(map[uint64]bool)
	for _, push := range p.got() {
		handed[push.Position] = true
		at := ledger.Place{User: p.user, Position: push.Position}
		if ends := l.Pushes[at].Devices[p.device]; !ledger.Delivered(ends) && !ledger.Unconfirmed(ends) {
			s.t.Errorf("push %v was handed over on %s and ended as %v", at, p.device, ends)
		}
	}
	for at, x := range l.Pushes {
		if at.User == p.user && ledger.Delivered(x.Devices[p.device]) && !handed[at.Position] {
			s.t.Errorf("push %v was delivered to %s and never handed over", at, p.device)
		}
	}
}

// table is the ledger as people read it.
func (s *storm) table(l *ledger.Ledger) string {
	var b strings.Builder
	row := func(what string, n int, say string) { fmt.Fprintf(&b, "  %-34s %8d  %s\n", what, n, say) }
	c, ends := s.tally(), l.Tally()
	row("pushes accepted", len(l.Order), "by POST /v1/pushes, in the log")
	for _, class := range ledger.Classes() {
		row("  "+class.Word(), ends.Of(class), ends.Reasons(class))
	}
	row("  without an outcome", l.Unended, "")
	row("handed over, to any device", c.handed, "delivered ≤ this ≤ delivered + unconfirmed")
	row("outcomes for devices", ends.Devices, fmt.Sprintf("of %d phones", len(s.phones)))
	row("handed over, to each device", c.handedEach, fmt.Sprintf("%d of them flagged as sent before", c.again))
	row("needed more than one connection", ends.Retried, fmt.Sprintf("at most %d", ends.Attempts))
	row("connections", c.connects, fmt.Sprintf("%d cut, %d lost in tunnels", c.cuts, c.mutes))
	row("stages torn down", stormUpsets*len(torn), "every second time as if killed")
	row("decisions of older terms", l.Stale, "ignored by every reader")
	return b.String()
}
