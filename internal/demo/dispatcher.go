package demo

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dispatcher is the freight company's app-server.
type dispatcher struct {
	cfg    Config
	counts *counts

	mu     sync.Mutex
	where  map[string]location
	offers []offer
}

// offer is one push as the dispatcher remembers it.
type offer struct {
	driver, trace, push string
}

// How the company works: an order five times a second, offered to the four
// nearest drivers for twenty seconds.
const (
	orderEvery = 200 * time.Millisecond
	nearby     = 4
	offerTTL   = 20 // seconds
)

// readLocations consumes the uplink topic until ctx ends, as any Kafka client
// would: the value is the application's own bytes.
func (d *dispatcher) readLocations(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(d.cfg.Brokers...), kgo.ConsumeTopics("waybill.uplink."+d.cfg.App),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	if err != nil {
		return fmt.Errorf("open kafka client: %w", err)
	}
	defer cl.Close()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			var at location
			if json.Unmarshal(r.Value, &at) == nil && at.Driver != "" {
				d.counts.locations.Add(1)
				d.mu.Lock()
				d.where[at.Driver] = at
				d.mu.Unlock()
			}
		})
	}
	return nil
}

// offerOrders pushes orders to drivers nearby until the evening. The last call
// is waited for: what it pushes belongs in the books.
func (d *dispatcher) offerOrders(ctx context.Context, evening <-chan time.Time) error {
	t := time.NewTicker(orderEvery)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-t.C:
		case <-evening:
			return nil
		case <-ctx.Done():
			return nil
		}
		users := d.nearest(rand.Float64()*cityKm, rand.Float64()*cityKm)
		if len(users) == 0 {
			continue
		}
		if err := d.offer(ctx, n, users); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (d *dispatcher) nearest(x, y float64) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]location, 0, len(d.where))
	for _, at := range d.where {
		all = append(all, at)
	}
	far := func(a location) float64 { return (a.X-x)*(a.X-x) + (a.Y-y)*(a.Y-y) }
	slices.SortFunc(all, func(a, b location) int { return cmp.Compare(far(a), far(b)) })
	var users []string
	for _, at := range all[:min(nearby, len(all))] {
		users = append(users, at.Driver)
	}
	return users
}

// accepted is the push API's answer, as far as the demo needs it.
type accepted struct {
	TraceID string `json:"trace_id"`
	Pushes  []struct {
		User    string `json:"user"`
		PushID  string `json:"push_id"`
		TraceID string `json:"trace_id"`
		Status  string `json:"status"`
	} `json:"pushes"`
}

func (d *dispatcher) offer(ctx context.Context, n int, users []string) error {
	body := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"order":%d,"pay":%d}`, n, 10+rand.IntN(50)))
	call, err := json.Marshal(map[string]any{
		"users": users, "family": family, "command": cmdOffer, "body": body, "ttl": offerTTL, "label": "offer",
	})
	if err != nil {
		return fmt.Errorf("encode offer: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.cfg.Ingest+"/v1/pushes", bytes.NewReader(call))
	if err != nil {
		return fmt.Errorf("make call: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+d.cfg.APIKey)
	req.Header.Set("Content-Type", "application/json")
	var a accepted
	if err := getJSON(req, http.StatusAccepted, &a); err != nil {
		return fmt.Errorf("push offer %d: %w", n, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range a.Pushes {
		d.counts.accepted.Add(1)
		d.offers = append(d.offers, offer{driver: p.User, trace: cmp.Or(p.TraceID, a.TraceID), push: p.PushID})
	}
	return nil
}

// getJSON makes a call and decodes its answer.
func getJSON(req *http.Request, want int, into any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != want {
		return fmt.Errorf("answer %s: %s", resp.Status, bytes.TrimSpace(b))
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}
