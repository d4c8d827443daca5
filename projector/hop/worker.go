package hop

import (
	"context"
	"time"

	"waybill/internal/eventlog"
)

// worker projects one partition, on that partition's goroutine: it gathers cuts
// and hands them to the rounds of its process.
type worker struct {
	p      *eventlog.Partition
	rounds *rounds
	// formers are those of rows.
	formers []func(key []byte) int32
	state   state // as of next
	next    int64
	last    *round // the one that has the cut before; nil = none
}

// run serves the partition until ctx ends or something fails for good, which
// begins anew from the mark.
func (w *worker) run(ctx context.Context, repeats *repeats) error {
	first, m, err := load(ctx, w.p, w.p.Topic(), w.p.Number())
	if err != nil {
		return err
	}
	if first < 0 {
		first = eventlog.FromStart
	}
	if len(m.members) > 0 {
		if first, m.state, err = repeats.repeat(ctx, w.p, first, m); err != nil {
			return err
		}
	}
	if w.formers, err = w.p.Formers(ctx); err != nil {
		return err
	}
	if err := w.p.Start(first, m.state.serials); err != nil {
		return err
	}
	w.state, w.next = m.state, w.p.Offset()
	w.p.Working(true)
	for {
		if err := w.project(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// project gathers one cut, while the one before is inserted, and hands it in.
func (w *worker) project(ctx context.Context) error {
	c := w.rounds.newCut()
	c.begin(w.p.Topic(), w.p.Number(), w.next, w.state)
	c.rows.formers = w.formers
	in, err := w.gather(ctx, c)
	if err != nil {
		w.rounds.free(c)
		return err
	}
	if err := w.last.wait(ctx); err != nil {
		in.leave()
		w.rounds.free(c)
		return err
	}
	w.next, w.state, w.last = c.next, c.is.clone(), in
	in.handIn(member{ctx, w.p, c}) // the cut is the round's from here on
	return nil
}

// gather fills the cut until the round that it joined by its first batch ends.
func (w *worker) gather(ctx context.Context, c *cut) (*round, error) {
	var in *round
	var full <-chan struct{} // nil before it has joined
	for {
		select {
		case <-full:
			return in, nil
		case b := <-w.p.Batches():
			before := c.rows.len()
			c.take(b, 0)
			if in == nil {
				in = w.rounds.join(c.topic, age(b))
				full = in.full
			}
			in.grow(c.rows.len() - before)
		case <-ctx.Done():
			if in != nil {
				in.leave()
			}
			return nil, context.Cause(ctx)
		}
	}
}

// age of the first record of a batch, by this process's clock.
func age(b eventlog.Batch) time.Duration {
	if len(b.Entries) == 0 {
		return 0
	}
	return max(0, time.Since(time.UnixMicro(b.Entries[0].Time)))
}
