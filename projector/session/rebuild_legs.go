package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"waybill/schemas"
)

// livePlace is where the live tables stand in one partition.
type livePlace struct {
	next   int64
	term   schemas.Position
	sealed bool
}

// legs are the stretches that a rebuild goes: for each partition a target, set
// by the one who compares and swaps, and what the partition's fold has stored.
// A fold stops exactly at its target.
type legs struct {
	mu      sync.Mutex
	changed chan struct{} // closed and made anew with every change
	parts   map[int32]*leg
}

// leg of one partition.
type leg struct {
	target livePlace // next 0 = nothing is to be folded
	from   int64     // oldest offset of the log
	stored int64
	events int64
}

func newLegs() *legs { return &legs{changed: make(chan struct{}), parts: make(map[int32]*leg)} }

// update changes the leg of a partition and tells everybody.
func (l *legs) update(partition int32, change func(*leg)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.parts[partition]
	if p == nil {
		p = &leg{}
		l.parts[partition] = p
	}
	change(p)
	close(l.changed)
	l.changed = make(chan struct{})
}

// until waits for ready, which is asked under the lock.
func (l *legs) until(ctx context.Context, ready func() bool) error {
	for {
		l.mu.Lock()
		ok, changed := ready(), l.changed
		l.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// reach sets the targets and waits until all of them have been stored.
func (l *legs) reach(ctx context.Context, places map[int32]livePlace) error {
	for partition, p := range places {
		l.update(partition, func(g *leg) { g.target = p })
	}
	return l.until(ctx, func() bool {
		for partition, p := range places {
			if l.parts[partition].stored != p.next {
				return false
			}
		}
		return true
	})
}

// next waits for a target of the partition other than where it stands.
func (l *legs) next(ctx context.Context, partition int32, stands int64) (p livePlace, err error) {
	err = l.until(ctx, func() bool {
		if g := l.parts[partition]; g != nil {
			p = g.target
		}
		return p.next != 0 && p.next != stands
	})
	return p, err
}

// sum is how many partitions and events there were.
func (l *legs) sum() (partitions int, events int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.parts {
		partitions++
		events += g.events
	}
	return partitions, events
}

// sayEvery is the time between two words on how far the rebuild is.
const sayEvery = 2 * time.Second

// say tells how far the rebuild is until ctx ends.
func (l *legs) say(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for before := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		events, percent, there, of := l.progress()
		log.Info("rebuilding", "partitions_there", there, "partitions", of, "events", events,
			"percent", percent, "events_per_second", (events-before)/int64(sayEvery/time.Second))
		before = events
	}
}

// progress is in hundredths of the offsets up to the targets.
func (l *legs) progress() (events, percent int64, there, of int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var done, all int64
	for _, g := range l.parts {
		of++
		if g.stored == g.target.next {
			there++
		}
		events += g.events
		all += max(g.target.next-g.from, 0)
		done += max(min(g.stored, g.target.next)-g.from, 0)
	}
	return events, 100 * done / max(all, 1), there, of
}
