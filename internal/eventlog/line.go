package eventlog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// line is the way of one appender through the epochs of waybill.events:
//
//	enter: ─ next topic's partitions: shut, they accept and hold
//	       ─ facts go there from now on; the former partitions accept no more
//	       ─ what is on its way to the former ones ends
//	       ─ next partitions open: what they hold goes first
//
// So whatever the appender accepted later is in the log later, across the two
// topics, without a caller that waits.
type line struct {
	parts atomic.Pointer[parts] // where facts go; nil = not known yet
	stood atomic.Uint32         // epoch that has been entered for good

	mu    sync.Mutex // held by enter
	known sync.Once
	ready chan struct{} // closed when parts is set
	moved func()        // called when facts go to a next epoch; nil but in tests
}

// follows says that the topic is whatever its newest epoch is called.
func (a *Appender) follows(topic string) bool { return a.cfg.Epochs != nil && topic == EventsTopic }

// at is the oldest epoch for which something may still be on its way.
func (l *line) at() uint16 { return uint16(l.stood.Load()) }

// current are the partitions where facts go.
func (l *line) current() (*parts, error) {
	if p := l.parts.Load(); p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("append to %s: %w: its epoch is not known yet", EventsTopic, ErrBusy)
}

// wait until they are known.
func (l *line) wait(ctx context.Context) error {
	select {
	case <-l.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("look up the epoch of %s: %w: %w", EventsTopic, ErrBusy, context.Cause(ctx))
	}
}

// enter brings the appender into the epoch; it returns when nothing is on its
// way to an older one, or when ctx has ended. To be in it already is fine.
func (a *Appender) enter(ctx context.Context, epoch uint16) error {
	l := &a.line
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.parts.Load()
	if before != nil && Epoch(before.topic) >= epoch {
		return nil
	}
	next, err := a.partsIn(ctx, epoch)
	if err != nil {
		return err
	}
	next.each(func(p *part) { p.shut = before != nil })
	l.parts.Store(next)
	l.known.Do(func() { close(l.ready) })
	if before == nil {
		l.stood.Store(uint32(epoch))
		return nil
	}
	before.each(func(p *part) { p.retired = true })
	a.log.cfg.Log.Info("facts go to the next epoch", "topic", next.topic)
	if l.moved != nil {
		l.moved()
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		a.drain(before)
	}()
	select {
	case <-drained:
		return nil
	case <-ctx.Done(): // the draining goes on: what is held must get into the log
		return context.Cause(ctx)
	}
}

// drain waits until the former partitions have nothing on its way, or the
// appender is closed, and opens the next.
func (a *Appender) drain(before *parts) {
	a.unlinger()
	for _, p := range before.parts {
		_ = p.wait(a.client.Context()) // says only that the appender was closed
	}
	a.line.open()
	a.line.stood.Store(uint32(Epoch(a.line.parts.Load().topic)))
}

// partsIn looks up the epoch's topic for as long as ctx allows: it exists before
// it is announced.
func (a *Appender) partsIn(ctx context.Context, epoch uint16) (*parts, error) {
	topic := EventsOf(epoch)
	n, err := retry(ctx, a.log, topic, func(ctx context.Context) (int32, error) { return a.log.Partitions(ctx, topic) })
	if err != nil {
		return nil, err
	}
	v, _ := a.topics.LoadOrStore(topic, a.newParts(topic, n))
	return v.(*parts), nil
}

// open lets go what the newest partitions hold.
func (l *line) open() {
	if p := l.parts.Load(); p != nil {
		p.each((*part).open)
	}
}

// each calls f for each partition under its lock.
func (t *parts) each(f func(*part)) {
	for _, p := range t.parts {
		p.mu.Lock()
		f(p)
		p.mu.Unlock()
	}
}

// open hands over what was held while the partition was shut. The caller holds
// the lock.
func (p *part) open() {
	if p.shut = false; p.held != nil && !p.pumping {
		p.pumping = true
		go p.pump()
	}
}
