package crash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// withdrawal is one push that its caller takes back, whether it has been said
// or not.
type withdrawal struct {
	push *push
	due  time.Duration
	made time.Time // the first time it was said
	done time.Time // accepted; owned by who says it
}

// cancelers work beside each other: one call takes back one push, and waits for
// its answer while an ingest is away.
const cancelers = 16

// withdrawals in the order of their time.
func withdrawals(pushes []push) (all []*withdrawal) {
	for n := range pushes {
		if p := &pushes[n]; p.cancels {
			all = append(all, &withdrawal{push: p, due: p.cancel})
		}
	}
	slices.SortStableFunc(all, func(a, b *withdrawal) int { return cmp.Compare(a.due, b.due) })
	return all
}

// cancelAll says every cancel until it is accepted.
func (o *office) cancelAll(ctx context.Context, seed uint64) error {
	g, ctx := errgroup.WithContext(ctx)
	for n := range cancelers {
		rng := rand.New(rand.NewPCG(seed, uint64(300+n)))
		g.Go(func() error {
			for i := n; i < len(o.withdrawals); i += cancelers {
				if err := o.cancel(ctx, rng, o.withdrawals[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// cancel one push, when it is due. The name says which, at any time.
func (o *office) cancel(ctx context.Context, rng *rand.Rand, w *withdrawal) error {
	if err := pause(ctx, time.Until(o.begin.Add(w.due))); err != nil {
		return err
	}
	body, err := json.Marshal(map[string]string{"user": w.push.User, "push_id": w.push.Name})
	if err != nil {
		return err
	}
	for w.made = time.Now(); ; {
		status, err := o.sayCancel(ctx, w.push.app, body)
		switch {
		case status == http.StatusAccepted:
			w.done = time.Now()
			return nil
		case err == nil && status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout:
			_ = o.strange(fmt.Errorf("%d to the cancel of push %s", status, w.push.Name))
			return nil
		}
		if err := pause(ctx, time.Duration(100+rng.IntN(400))*time.Millisecond); err != nil {
			return err
		}
	}
}

func (o *office) sayCancel(ctx context.Context, app string, body []byte) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := o.post(ctx, o.client, callOf{"/v1/cancels", "application/json", app}, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// cancels: each that was accepted is in the log, none that nobody wanted is, and
// one that was accepted before its push was said stands before it.
func (a *audit) cancels() {
	wanted := make(map[ledger.Asking]*withdrawal)
	for _, w := range a.withdrawals {
		p := w.push
		asking := ledger.Asking{User: p.User, ID: schemas.NamedID(p.app, p.User, p.Name)}
		wanted[asking] = w
		if !w.done.IsZero() && len(a.ledger.Cancels[asking]) == 0 {
			a.wrong("accepted and lost", ledger.Place{User: p.User}, "", "the cancel of %s was accepted at %s and is not in the log", p.Name, w.done.Format(clock))
		}
	}
	for asking := range a.ledger.Cancels {
		if wanted[asking] == nil {
			a.wrong("canceled by nobody", ledger.Place{User: asking.User}, "", "%s was to be canceled, which the office never wanted", asking.ID)
		}
	}
	for _, at := range a.ledger.Order {
		x := a.ledger.Pushes[at]
		w := wanted[ledger.Asking{User: at.User, ID: x.ID}]
		if w != nil && !w.done.IsZero() && len(w.push.tries) > 0 && w.done.Before(w.push.tries[0].made) && !a.buried(at) {
			a.wrong("calls out of order", at, "", "is %s, and stands before its cancel, which had been accepted %v before it was said",
				x.Name, w.push.tries[0].made.Sub(w.done).Round(time.Microsecond))
		}
	}
}
