package delivery

import (
	"context"
	"fmt"
	"sync"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// gatesFeed reads waybill.gates once for all partitions of a worker. A new
// partition gets what is still worth knowing, then every record as it comes.
type gatesFeed struct {
	ready chan struct{} // closed once the topic's end at the start has been read

	mu      sync.Mutex
	history []gateRecord // the newest started and alive of each gate, the newest tick
	views   map[*gatesView]bool
}

type gateRecord struct {
	pos   schemas.Position
	time  int64
	event *schemas.Event
}

// gatesView is one partition's place in the feed. The feed adds and signals;
// the partition's owner takes.
type gatesView struct {
	feed    *gatesFeed
	signal  chan struct{} // one place: there is something to take
	pending []gateRecord  // guarded by the feed's mu
}

func newGatesFeed() *gatesFeed {
	return &gatesFeed{ready: make(chan struct{}), views: make(map[*gatesView]bool)}
}

func (f *gatesFeed) subscribe() *gatesView {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := &gatesView{feed: f, signal: make(chan struct{}, 1), pending: append([]gateRecord(nil), f.history...)}
	f.views[v] = true
	return v
}

func (f *gatesFeed) unsubscribe(v *gatesView) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.views, v)
}

func (v *gatesView) take() []gateRecord {
	v.feed.mu.Lock()
	defer v.feed.mu.Unlock()
	out := v.pending
	v.pending = nil
	return out
}

func (f *gatesFeed) add(r gateRecord) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remember(r)
	for v := range f.views {
		v.pending = append(v.pending, r)
		select {
		case v.signal <- struct{}{}:
		default:
		}
	}
}

// remember replaces the record's predecessor of the same gate and kind.
func (f *gatesFeed) remember(r gateRecord) {
	for i, h := range f.history {
		if h.event.Kind == r.event.Kind && h.event.Gate == r.event.Gate {
			f.history = append(f.history[:i], f.history[i+1:]...)
			break
		}
	}
	f.history = append(f.history, r)
}

// followGates feeds from the start of the topic for as long as ctx lasts.
func (w *Worker) followGates(ctx context.Context) error {
	return w.cfg.Log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.GatesTopic, Serve: w.serveGates})
}

func (w *Worker) serveGates(ctx context.Context, p *eventlog.Partition) error {
	end, err := p.End(ctx)
	if err != nil {
		return fmt.Errorf("find the end of %s: %w", p.Topic(), err)
	}
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return fmt.Errorf("start %s: %w", p.Topic(), err)
	}
	for next := p.Offset(); ; {
		if next >= end {
			w.gatesRead()
		}
		b, err := p.Next(ctx)
		if err != nil {
			return nil // taken away, or the worker stops
		}
		for _, e := range b.Entries {
			if e.Event != nil {
				w.gates.add(gateRecord{e.Position, e.Time, e.Event})
			}
		}
		next = b.Next
	}
}

// gatesRead lets the partitions begin. Only the follower's goroutine calls it.
func (w *Worker) gatesRead() {
	select {
	case <-w.gates.ready:
	default:
		close(w.gates.ready)
	}
}
