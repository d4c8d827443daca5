package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/client"
	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// The apps: most users are of the first one. Of the other, a user may have one
// device only, and takes another one in the middle of the run.
const (
	freight    = "freight"
	post       = "post"
	soloUsers  = 24
	soloPrefix = "solo-"
)

func soloUser(n int) string { return fmt.Sprintf("%s%02d", soloPrefix, n) }

func newApp(name string) app.DevApp {
	return app.DevApp{
		Name: name, APIKey: "office-of-" + name + "-in-the-crash-run-0123456789", Secret: "phones-of-" + name + "-in-the-crash-run-0123456789",
	}
}

// settleSolos lets each of them log in with the phone that will be replaced.
func (r *run) settleSolos(ctx context.Context) error {
	for n := range soloUsers {
		p, err := r.soloPhone(n, 0)
		if err != nil {
			return err
		}
		p.replaced = true
		r.solos = append(r.solos, p)
	}
	for _, p := range r.solos {
		if err := p.Await(ctx, func() bool { return p.Homes() > 0 }); err != nil {
			return fmt.Errorf("wait for %s to connect: %w", p.name(), err)
		}
	}
	return nil
}

func (r *run) soloPhone(n, device int) (*phone, error) {
	p := &phone{Device: ledger.Device{User: soloUser(n), Device: fmt.Sprintf("phone-%d", device)}, app: post}
	p.Bad(rand.New(rand.NewPCG(r.cfg.Seed, uint64(5000+10*n+device))), r.site.troubles())
	err := p.start(r.site)
	return p, err
}

// replacePhones: one after the other they log in with a new phone, while it is
// pushed.
func (r *run) replacePhones(ctx context.Context) error {
	rng := rand.New(rand.NewPCG(r.cfg.Seed, 6))
	start := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	r.newer = make([]*phone, soloUsers)
	for n := range soloUsers {
		at := start.Add(Span/10 + time.Duration(rng.Int64N(int64(Span*3/4))))
		g.Go(func() (err error) {
			if err := pause(ctx, time.Until(at)); err != nil {
				return err
			}
			r.newer[n], err = r.soloPhone(n, 1)
			return err
		})
	}
	return g.Wait()
}

// awaitKicks: each phone that was replaced is told so, for good, and ends.
func (r *run) awaitKicks(ctx context.Context) error {
	for _, p := range r.solos {
		if err := p.Await(ctx, p.kicked); err != nil {
			return fmt.Errorf("wait for %s to be kicked: %w", p.name(), err)
		}
		var end *client.ClosedError
		if err := p.stop(); !errors.As(err, &end) || end.Reason != schemas.Reason_REASON_KICKED {
			r.result.wrong("a phone that was replaced", "%s ended with %v, want kicked", p.name(), err)
		}
		p.stop = func() error { return nil }
	}
	return nil
}

// kicked says that the newest connection ended so.
func (p *phone) kicked() bool {
	ends := p.Ends()
	return len(ends) > 0 && strings.Contains(ends[len(ends)-1].Error(), schemas.Reason_REASON_KICKED.Word())
}

// kicks: whoever may have one device loses the older one, and nobody else any.
func (a *audit) kicks() {
	for user, n := range a.ledger.Kicks {
		if !strings.HasPrefix(user, soloPrefix) {
			a.wrong("kicked", ledger.Place{User: user}, "", "has lost %d sessions and may have many devices", n)
		}
	}
	for _, p := range a.phones {
		if p.replaced && a.ledger.Kicks[p.User] == 0 {
			a.wrong("kicked", ledger.Place{User: p.User}, p.Device.Device, "was replaced and never kicked")
		}
	}
}
