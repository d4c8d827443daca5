package hop

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// worker projects one partition, on that partition's goroutine.
type worker struct {
	p       *eventlog.Partition
	sink    *sink
	flush   time.Duration // at least so long a cut waits; pace says how much longer
	maxRows int
	took    time.Duration // by the newest insert
	tracer  trace.Tracer  // nil = spans are not exported
	held    *atomic.Int64 // rows gathered by all workers of the process

	state state // as of next
	next  int64
	rest  eventlog.Batch // read already, behind the end of a repeated cut
	cut   cut
}

// cut is a stretch of the log on its way to ClickHouse.
type cut struct {
	first int64
	began int64 // broker's time of its first event
	was   state // as of first; its serials are the cut's own
	rows  rows
	held  int // rows, before they were settled
}

// run serves the partition until ctx ends or something fails for good, which
// begins anew from the mark.
func (w *worker) run(ctx context.Context) error {
	first, m, err := load(ctx, w.p)
	if err != nil {
		return err
	}
	if err := w.p.Start(first, m.state.serials); err != nil {
		return err
	}
	w.state, w.next = m.state, w.p.Offset()
	if w.next >= first && w.next < m.next {
		if err := w.project(ctx, m.next); err != nil {
			return fmt.Errorf("repeat cut %d-%d: %w", first, m.next, err)
		}
	}
	w.p.Working(true)
	for {
		if err := w.project(ctx, 0); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// project gathers one cut and inserts it. until is where a cut in doubt ends, 0
// if none is.
func (w *worker) project(ctx context.Context, until int64) error {
	defer w.release()
	if err := w.gather(ctx, until); err != nil {
		return err
	}
	c := &w.cut
	c.rows.settle()
	if c.rows.len() > 0 {
		if err := w.p.Commit(ctx, c.first, mark{next: w.next, state: c.was}.encode()); err != nil {
			return err
		}
		began := time.Now()
		var f flush
		f.add(&c.rows)
		if err := w.sink.insert(ctx, c.token(w.p, w.next), &f, w.p.Alive); err != nil {
			return err
		}
		w.took = time.Since(began)
		if w.tracer != nil {
			spans(w.tracer, &c.rows)
		}
	}
	return w.p.Commit(ctx, w.next, mark{next: w.next, state: w.state}.encode())
}

// token names the cut. The time tells it from the same offsets of another log,
// one that was wiped and began anew.
func (c *cut) token(p *eventlog.Partition, next int64) string {
	return fmt.Sprintf("%s/%d/%d-%d@%d", p.Topic(), p.Number(), c.first, next, c.began)
}

// release gives the rows' memory back for the next cut.
func (w *worker) release() {
	w.held.Add(-int64(w.cut.held))
	w.cut.held = 0
	w.cut.rows.reset()
}

// gather fills the cut: to its known end, or until flush has passed since its
// first event or enough rows are held.
func (w *worker) gather(ctx context.Context, until int64) error {
	w.cut.first, w.cut.began = w.next, 0
	w.cut.was = state{term: w.state.term, serials: w.state.serials.Clone()}
	due := time.NewTimer(w.pace())
	defer due.Stop()
	begun := w.fold(w.rest, until)
	for !w.enough(until) {
		select {
		case b := <-w.p.Batches():
			if !begun {
				due.Reset(w.pace())
			}
			begun = w.fold(b, until)
		case <-due.C:
			if begun && until == 0 {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// longestPace leaves time for the insert within the second after which a hop
// is to be found.
const longestPace = 800 * time.Millisecond

// pace is how long a cut gathers. Larger inserts cost the engine less for each
// row, so the longer an insert took the longer the next one waits.
func (w *worker) pace() time.Duration {
	return max(w.flush, min(12*w.took, longestPace))
}

func (w *worker) enough(until int64) bool {
	if until != 0 {
		return w.next >= until
	}
	n := w.cut.rows.len()
	return n >= w.maxRows || n > 0 && w.held.Load() >= 2*int64(w.maxRows)
}

// fold turns a batch into rows, as far as the cut goes; the rest is kept. It
// says whether there was anything.
func (w *worker) fold(b eventlog.Batch, until int64) bool {
	if b.Next == 0 {
		return false
	}
	before := w.cut.rows.len()
	w.rest, w.next = eventlog.Batch{}, b.Next
	for i := range b.Entries {
		e := &b.Entries[i]
		if until != 0 && e.Offset >= until {
			w.rest, w.next = eventlog.Batch{Entries: b.Entries[i:], Next: b.Next}, until
			break
		}
		w.entry(e)
	}
	if until != 0 && w.next > until {
		w.rest, w.next = eventlog.Batch{Next: w.next}, until
	}
	w.held.Add(int64(w.cut.rows.len() - before))
	w.cut.held = w.cut.rows.len()
	return true
}

func (w *worker) entry(e *eventlog.Entry) {
	event := e.Event
	w.state.serials.Fresh(event.Origin, event.Serial, e.Time)
	if w.cut.began == 0 {
		w.cut.began = e.Time
	}
	if w.state.owns(event, e.Position) {
		w.cut.rows.add(event, place{w.p.Topic(), w.p.Number(), e.Position, e.Time})
	}
}

// owns is false for a decision of a worker whose term is over, and follows the
// terms. A term that it has not read a claim of is newer: a claim stands before
// its decisions, so this one is older than where the reading began.
func (s *state) owns(e *schemas.Event, at schemas.Position) bool {
	switch {
	case e.Kind == schemas.Kind_KIND_CLAIMED:
		s.term = at
	case e.Kind > schemas.Kind_KIND_CLAIMED && e.Kind <= schemas.Kind_KIND_SEALED:
		term := schemas.Position(e.Term)
		s.term = max(s.term, term)
		return term == s.term
	}
	return true
}
