package crash

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/e2e/ledger"
)

// leave lets half of those who will be away connect once, and go.
func (r *run) leave(ctx context.Context) error {
	for n := range absent {
		p := &phone{Device: ledger.Device{User: awayUser(n), Device: "phone-0"}}
		r.away = append(r.away, p)
		if n%2 == 0 {
			continue
		}
		if err := p.start(r.site); err != nil {
			return err
		}
		err := p.Await(ctx, p.Online)
		if stopped := p.stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return fmt.Errorf("wait for %s to connect and leave: %w", p.name(), err)
		}
		p.early = true
	}
	return nil
}

// comeHome starts who was ended for the replay. The phones come back, those that
// were away among them, and delivery pays from the rows that the replay wrote.
func (r *run) comeHome(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	start := time.Now()
	for _, name := range []string{"gate-1", "gate-2", "delivery-1", "delivery-2"} {
		if err := r.site.find(name).start(); err != nil {
			return err
		}
	}
	if err := r.site.awaitReady(ctx); err != nil {
		return err
	}
	for _, p := range r.away {
		begin := func() error { return p.start(r.site) }
		if p.stop != nil {
			begin = p.restart
		}
		if err := begin(); err != nil {
			return err
		}
		r.phones = append(r.phones, p)
	}
	if err := r.awaitEnd(ctx, 0); err != nil {
		return err
	}
	r.cfg.Say("who was away has come home, and every push has ended, %.1f s after the replay", time.Since(start).Seconds())
	return nil
}
