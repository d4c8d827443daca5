package session

import (
	"context"
	"errors"
	"fmt"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
)

// Why a rebuild cannot reach the live tables, whatever it does.
var (
	errWentBack = errors.New("the live tables went back, or another log was put there: begin the rebuild again")
	errCutOff   = errors.New("the log does not hold what the live tables are to be compared at: retention has passed them, or it was cut off")
)

// rebuilder folds one partition into the fresh tables. It belongs to its
// goroutine.
type rebuilder struct {
	r    *Rebuild
	part *eventlog.Partition
	snap *snapshot.Snapshot

	held  eventlog.Batch // the newest that was read
	at    int            // entries of it that are folded
	next  int64          // offset behind all that is folded
	bytes int            // folded since the last flush
	count int
}

// serve is the PartitionFunc of a rebuild. What would fail for ever ends the
// rebuild; after anything else it goes on from what it has stored.
func (r *Rebuild) serve(giveUp context.CancelCauseFunc) eventlog.PartitionFunc {
	return func(ctx context.Context, part *eventlog.Partition) error {
		w := &rebuilder{r: r, part: part}
		err := w.run(ctx)
		if errors.Is(err, errWentBack) || errors.Is(err, errCutOff) || errors.Is(err, snapshot.ErrFenced) {
			giveUp(err)
		}
		return endedOr(ctx, err)
	}
}

// run goes from target to target until ctx ends.
func (w *rebuilder) run(ctx context.Context) error {
	to, err := w.r.legs.next(ctx, w.part.Number(), -1)
	if err != nil {
		return err
	}
	if err := w.begin(ctx, to); err != nil {
		return err
	}
	for {
		if err := w.fold(ctx, to.next); err != nil {
			return err
		}
		if to, err = w.r.legs.next(ctx, w.part.Number(), to.next); err != nil {
			return err
		}
	}
}

// begin reads on from what is stored, or from the log's oldest record.
func (w *rebuilder) begin(ctx context.Context, to livePlace) (err error) {
	if w.snap, err = snapshot.Load(ctx, w.r.db, w.part.Topic(), w.part.Number()); err != nil {
		return err
	}
	end, err := w.part.End(ctx)
	if err != nil {
		return err
	}
	from := w.snap.Next
	if from == 0 {
		from = eventlog.FromStart
	}
	if err := w.part.Start(from, w.snap.Serials); err != nil {
		return fmt.Errorf("read from offset %d: %w", from, err)
	}
	w.next = w.part.Offset()
	if w.snap.Next != 0 && w.next != w.snap.Next || end < to.next {
		return fmt.Errorf("partition %d: %w: it holds %d to %d, the live tables are at %d", w.part.Number(), errCutOff, w.next, end, to.next)
	}
	if w.snap.Next == 0 {
		w.withoutBeginning(to)
		w.withoutAnything(to)
	}
	w.snap.DropBodies()
	w.snap.State.Track()
	return nil
}

// withoutBeginning says that the log has lost its oldest records, and keeps the
// one thing of them that is known for sure: the term, if no newer one follows.
func (w *rebuilder) withoutBeginning(to livePlace) {
	w.r.legs.update(w.part.Number(), func(g *leg) { g.from = w.next })
	if w.next == 0 {
		return
	}
	if to.term < schemas.At(eventlog.Epoch(w.part.Topic()), w.next) {
		w.snap.State.Term = to.term
	}
	w.r.cfg.Logger.Warn("the log does not hold its beginning: what only older records say will be missing",
		"partition", w.part.Number(), "oldest", w.next)
}

// fold goes on to exactly the offset to, and stores that.
func (w *rebuilder) fold(ctx context.Context, to int64) error {
	if w.next > to {
		return fmt.Errorf("partition %d: %w: they are at %d, the fold at %d", w.part.Number(), errWentBack, to, w.next)
	}
	for w.next < to {
		if w.next >= w.held.Next {
			if err := w.read(ctx); err != nil {
				return err
			}
		}
		if w.take(to); w.count >= defaultEvents || w.bytes >= cutBytes {
			if err := w.flush(ctx); err != nil {
				return err
			}
		}
	}
	return w.flush(ctx)
}

// read waits for the next batch.
func (w *rebuilder) read(ctx context.Context) error {
	b, err := w.part.Next(ctx)
	if err != nil {
		return err
	}
	if b.Jumped || b.Next <= w.next {
		return fmt.Errorf("partition %d: %w", w.part.Number(), errCutOff)
	}
	w.held, w.at = b, 0
	return nil
}

// take folds what is held up to before the offset to. A batch brings the
// serials of all of it; of a part, the serials of its entries are taken.
func (w *rebuilder) take(to int64) {
	first := w.at
	for ; w.at < len(w.held.Entries) && w.held.Entries[w.at].Offset < to; w.at++ {
		e := &w.held.Entries[w.at]
		w.snap.State.Apply(e.Position, e.Time, e.Event)
		w.bytes += len(e.Value)
		if to < w.held.Next {
			w.snap.Serials.Fresh(e.Event.Origin, e.Event.Serial, e.Time)
		}
	}
	w.count += w.at - first
	if w.next = min(to, w.held.Next); w.next == w.held.Next {
		w.snap.Serials.Apply(w.held)
	}
}

// flush stores what has changed, and the place.
func (w *rebuilder) flush(ctx context.Context) error {
	if w.next != w.snap.Next {
		c := w.snap.Cut(w.next)
		if err := pgx.BeginFunc(ctx, w.r.db, func(tx pgx.Tx) error { return snapshot.Flush(ctx, tx, c) }); err != nil {
			return err
		}
		w.snap.Stored(c)
	}
	w.r.legs.update(w.part.Number(), func(g *leg) {
		g.stored = w.next
		g.events += int64(w.count)
	})
	w.count, w.bytes = 0, 0
	return nil
}
