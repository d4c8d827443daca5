package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// askEvery is the pause between two questions to the console: rare enough not
// to be load itself.
const askEvery = 50 * time.Millisecond

// get asks an address that answers in JSON.
func get(ctx context.Context, u string, into any) error {
	b, err := fetch(ctx, u)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decode the answer of %s: %w", u, err)
	}
	return nil
}

// funnel is what is taken of the console's answer: a push has ended when it has
// an outcome.
type funnel struct{ accepted, ended uint64 }

// awaitFunnel waits until each accepted push of the run has an outcome.
func (s *Session) awaitFunnel(ctx context.Context, p *pushes, since time.Time) error {
	ctx, cancel := withPatience(ctx)
	defer cancel()
	var f funnel
	for {
		var err error
		if f, err = s.askFunnel(ctx, p.label, since); err != nil && ctx.Err() == nil {
			return err
		}
		if f.accepted >= p.ledger.accepted.Load() && f.ended == f.accepted {
			break
		}
		if sleep(ctx, askEvery) != nil {
			return fmt.Errorf("the funnel has %d pushes and %d outcomes, %d were accepted", f.accepted, f.ended, p.ledger.accepted.Load())
		}
	}
	if most := p.ledger.accepted.Load() + p.ledger.unknown.Load(); f.accepted > most {
		return fmt.Errorf("the funnel has %d pushes, only %d were accepted", f.accepted, most)
	}
	return nil
}

func (s *Session) askFunnel(ctx context.Context, label string, since time.Time) (funnel, error) {
	q := url.Values{"label": {label}, "from": {since.Add(-time.Minute).UTC().Format(time.RFC3339)}}
	var answer struct {
		Total   struct{ Accepted uint64 } `json:"total"`
		Endings []struct{ Count uint64 }  `json:"endings"`
	}
	err := get(ctx, "http://"+s.cfg.Console+"/v1/funnel?"+q.Encode(), &answer)
	f := funnel{accepted: answer.Total.Accepted}
	for _, e := range answer.Endings {
		f.ended += e.Count
	}
	return f, err
}
