package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// carryEvery is how often the partitions of a next epoch look whether the former
// one has ended in the rows. Deliveries wait for it.
const carryEvery = 100 * time.Millisecond

// carrier carries the rows over for all partitions of this process: one of them
// tries at a time, and the others take what it found.
type carrier struct {
	mu    sync.Mutex
	tried time.Time
}

// carryOver returns when it may have been done: the caller loads again.
func (w *worker) carryOver(ctx context.Context) error {
	w.part.Working(true) // nothing is wrong: the epoch has not begun
	if err := w.p.carry(ctx, w.part); err != nil {
		return err
	}
	select {
	case <-time.After(carryEvery):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// carry is one try, unless another partition has just made one.
func (p *Projector) carry(ctx context.Context, part *eventlog.Partition) error {
	p.carrier.mu.Lock()
	defer p.carrier.mu.Unlock()
	if time.Since(p.carrier.tried) < carryEvery/2 {
		return nil
	}
	defer func() { p.carrier.tried = time.Now() }()
	e, err := p.epochs(ctx, part.Topic())
	if err != nil {
		return err
	}
	began, done := time.Now(), true
	err = p.insist(ctx, part, "carry the rows over to the next epoch", func(context.Context) error {
		// Of ctx itself: it may take longer than any other work.
		err := snapshot.CarryOver(ctx, p.db, e)
		if done = !errors.Is(err, snapshot.ErrNotSealed); !done {
			return nil
		}
		return err
	})
	if err == nil && done {
		p.cfg.Logger.Info("the next epoch begins with the rows of the former", "topic", e.To, "partitions", e.ToParts, "seconds", time.Since(began).Seconds())
	}
	return err
}

// epochs are the topic's and the one before.
func (p *Projector) epochs(ctx context.Context, topic string) (e snapshot.Epochs, err error) {
	e.From, e.To = eventlog.EventsOf(eventlog.Epoch(topic)-1), topic
	e.FromParts, err = p.cfg.Log.Partitions(ctx, e.From)
	if err == nil {
		e.ToParts, err = p.cfg.Log.Partitions(ctx, e.To)
	}
	if err != nil {
		return e, fmt.Errorf("carry the rows over to %s: %w", topic, err)
	}
	return e, nil
}

// foldSeal applies a batch with a seal up to that: the rows are then as of the
// seal exactly, its serials too, since whoever appends again what stands behind
// it must not take that for repeats. False where the batch has no seal.
func (w *worker) foldSeal(b eventlog.Batch) bool {
	seal := slices.IndexFunc(b.Entries, func(e eventlog.Entry) bool { return e.Event.GetKind() == schemas.Kind_KIND_SEALED })
	if seal < 0 {
		return false
	}
	for i := range b.Entries[:seal+1] {
		e := &b.Entries[i]
		w.snap.State.Apply(e.Position, e.Time, e.Event)
		w.snap.Serials.Fresh(e.Event.Origin, e.Event.Serial, e.Time)
	}
	w.next = b.Entries[seal].Offset + 1
	w.events += seal + 1
	w.p.cfg.Logger.Info("the partition is sealed", "topic", w.part.Topic(), "partition", w.part.Number(), "offset", w.next-1)
	return true
}

// rest keeps a sealed partition until it is taken away: nothing counts any more.
func (w *worker) rest(ctx context.Context) error {
	for {
		select {
		case <-w.part.Batches():
		case <-ctx.Done():
			return nil
		}
	}
}

// over says that the partition is sealed and there is nothing to do. But where
// the log ends before the seal and has no next epoch it was wiped: what was carried
// over from it is deleted, and it is projected anew.
func (w *worker) over(ctx context.Context) (bool, error) {
	if !w.snap.State.Sealed {
		return false, nil
	}
	end, err := w.part.End(ctx)
	if err != nil || end >= w.snap.Next {
		return true, err
	}
	topic := w.part.Topic()
	_, err = w.p.cfg.Log.Partitions(ctx, eventlog.EventsOf(eventlog.Epoch(topic)+1))
	if !errors.Is(err, eventlog.ErrUnknownTopic) {
		return true, err // it has lost its tail, which counts no more
	}
	n, err := w.p.cfg.Log.Partitions(ctx, topic)
	if err != nil {
		return false, fmt.Errorf("look at the log that was begun anew: %w", err)
	}
	return false, w.p.insist(ctx, w.part, "drop the epochs of a log that is no more", func(ctx context.Context) error {
		return snapshot.Abandon(ctx, w.p.db, topic, n)
	})
}

// emptied: there are no rows yet, and the partition of a former epoch holds
// nothing, its seal neither: its retention is over. It counts as sealed, or the
// next epoch would wait for it for ever.
func (w *worker) emptied(ctx context.Context) error {
	if w.snap.Found || w.next == 0 {
		return nil
	}
	end, err := w.part.End(ctx)
	if err != nil || end > w.next {
		return err
	}
	now, err := w.p.cfg.Log.Announced(ctx)
	epoch := eventlog.Epoch(w.part.Topic())
	if err != nil || now.Epoch <= epoch || now.Epoch == epoch+1 && !now.Done {
		return err
	}
	w.p.cfg.Logger.Warn("the log does not hold the former epoch any more: what only that said is missing", "topic", w.part.Topic(), "partition", w.part.Number())
	w.snap.State.Sealed = true
	w.events++
	return w.flush(ctx)
}
