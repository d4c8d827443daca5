package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"

	"github.com/jackc/pgx/v5"
)

// worker projects one partition, for one assignment. It belongs to its
// goroutine.
type worker struct {
	p    *Projector
	part *eventlog.Partition
	snap *snapshot.Snapshot

	next   int64         // offset behind all that is folded
	events int           // folded since the last cut
	bytes  int           // of them
	due    *time.Timer   // runs while there is something to flush
	took   time.Duration // by the newest flush
	marked time.Time     // when the group's offset was stored
}

// serve is the PartitionFunc. After an error it is called again and loads anew.
func (p *Projector) serve(ctx context.Context, part *eventlog.Partition) error {
	w := &worker{p: p, part: part, due: time.NewTimer(time.Hour)}
	w.due.Stop()
	if err := w.begin(ctx); err != nil {
		return endedOr(ctx, err)
	}
	part.Working(true)
	if err := w.run(ctx); err != nil || !w.snap.State.Sealed {
		return endedOr(ctx, err)
	}
	return w.rest(ctx)
}

// endedOr is nil where the work broke off because ctx has ended.
func endedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// begin loads the snapshot and reads on from there.
func (w *worker) begin(ctx context.Context) error {
	began := time.Now()
	if err := w.load(ctx); err != nil {
		return err
	}
	if over, err := w.over(ctx); err != nil || over {
		return err
	}
	if err := w.readOn(); err != nil {
		return err
	}
	if err := w.emptied(ctx); err != nil {
		return err
	}
	w.p.cfg.Logger.Info("projecting a partition", "topic", w.part.Topic(), "partition", w.part.Number(),
		"offset", w.snap.Next, "users", len(w.snap.State.Users), "seconds", time.Since(began).Seconds())
	return nil
}

// load reads the rows. Those of a next epoch are carried over first.
func (w *worker) load(ctx context.Context) error {
	for {
		err := w.p.insist(ctx, w.part, "load the snapshot", func(ctx context.Context) (err error) {
			w.snap, err = snapshot.Load(ctx, w.p.db, w.part.Topic(), w.part.Number())
			return err
		})
		if err != nil || w.snap.Found || eventlog.Epoch(w.part.Topic()) == 0 {
			return err
		}
		if err := w.carryOver(ctx); err != nil {
			return err
		}
	}
}

// readOn starts the partition where the rows end. A log that ends before them is
// not the one that they came from: it was wiped, or cut off. What it holds is
// all that there is, so the fold begins with it.
func (w *worker) readOn() error {
	from := w.snap.Next
	if from == 0 {
		from = eventlog.FromStart
	}
	if err := w.part.Start(from, w.snap.Serials); err != nil {
		return fmt.Errorf("read on from offset %d: %w", from, err)
	}
	if at := w.part.Offset(); at < w.snap.Next {
		w.p.cfg.Logger.Error("the log ends before the rows: they are dropped, and what it holds is projected anew",
			"topic", w.part.Topic(), "partition", w.part.Number(), "rows_offset", w.snap.Next, "offset", at)
		w.snap.Reset()
	}
	w.snap.DropBodies()
	w.snap.State.Track()
	w.next = w.part.Offset()
	return nil
}

// errRewound makes the partition be loaded anew.
var errRewound = errors.New("the log was cut off behind what has been folded")

// run folds and flushes until the partition is sealed, or until ctx ends; then it
// flushes once more.
func (w *worker) run(ctx context.Context) error {
	for !w.snap.State.Sealed {
		var err error
		select {
		case b := <-w.part.Batches():
			if b.Next <= w.next {
				return fmt.Errorf("read %s/%d: %w: offset %d after %d", w.part.Topic(), w.part.Number(), errRewound, b.Next, w.next)
			}
			if w.fold(b); w.full() {
				err = w.flush(ctx)
			}
		case <-w.due.C:
			err = w.flush(ctx)
		case <-ctx.Done():
			return w.flush(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fold applies a batch. The first one after a flush sets the timer of the next.
func (w *worker) fold(b eventlog.Batch) {
	if w.events == 0 {
		w.due.Reset(w.pace())
	}
	if w.foldSeal(b) {
		return
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		w.snap.State.Apply(e.Position, e.Time, e.Event)
		w.bytes += len(e.Value)
	}
	w.snap.Serials.Apply(b)
	w.next = b.Next
	w.events += max(len(b.Entries), 1) // one that was all repeats moves the offset too
	w.p.metrics.folded(len(b.Entries))
	if w.p.hooks.folded != nil {
		w.p.hooks.folded(w.next)
	}
}

// pace is how long the next flush waits: while they take long they are fewer
// and each finds more that has begun and ended since.
func (w *worker) pace() time.Duration {
	return max(w.p.cfg.Flush, min(20*w.took, longestPace))
}

// full: the flush must not wait for its time.
func (w *worker) full() bool {
	return w.events >= w.p.cfg.Events || w.bytes >= cutBytes || w.snap.State.Sealed
}

// flush stores what has changed. It reads nothing meanwhile.
func (w *worker) flush(ctx context.Context) error {
	w.due.Stop()
	if w.events == 0 {
		return nil
	}
	began := time.Now()
	c := w.snap.Cut(w.next)
	err := w.p.insist(ctx, w.part, "flush", func(ctx context.Context) error { return w.p.store(ctx, c) })
	if err != nil {
		return err
	}
	w.snap.Stored(c)
	w.events, w.bytes, w.took = 0, 0, time.Since(began)
	w.p.metrics.flushed(c, w.took)
	if w.p.hooks.stored != nil {
		w.p.hooks.stored(c)
	}
	w.mark(ctx)
	return nil
}

// store is one try to commit the cut.
func (p *Projector) store(ctx context.Context, c *snapshot.Cut) error {
	err := pgx.BeginFunc(ctx, p.db, func(tx pgx.Tx) error {
		if err := snapshot.Flush(ctx, tx, c); err != nil {
			return err
		}
		if p.hooks.beforeCommit != nil {
			return p.hooks.beforeCommit(c)
		}
		return nil
	})
	if errors.Is(err, snapshot.ErrFenced) {
		p.metrics.refused()
	}
	return err
}

// markEvery is how often the group's offset is stored, markWait how long that
// may take. It is for tools that show lag, and no failure matters.
const (
	markEvery = 5 * time.Second
	markWait  = time.Second
)

// mark tells the group how far the rows are.
func (w *worker) mark(ctx context.Context) {
	if time.Since(w.marked) < markEvery && ctx.Err() == nil {
		return
	}
	w.marked = time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), markWait)
	defer cancel()
	if err := w.part.Commit(ctx, w.snap.Next, ""); err != nil {
		w.p.cfg.Logger.Debug("the group's offset was not stored", "partition", w.part.Number(), "err", err)
	}
}
