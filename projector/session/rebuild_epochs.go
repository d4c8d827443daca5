package session

import (
	"context"
	"fmt"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"

	"github.com/jackc/pgx/v5"
)

// formerEpochs folds each epoch that is over up to its seals, and carries the
// rows over into the next, as it was when the log grew. The newest one is left
// for the comparison and the swap.
func (r *Rebuild) formerEpochs(ctx context.Context, done *Rebuilt) error {
	newest, err := r.tables.newestEpoch(ctx)
	if err != nil {
		return err
	}
	for epoch := range newest {
		e := snapshot.Epochs{From: eventlog.EventsOf(epoch), To: eventlog.EventsOf(epoch + 1)}
		if e.FromParts, err = r.cfg.Log.Partitions(ctx, e.From); err != nil {
			return fmt.Errorf("read the epoch before: %w", err)
		}
		if e.ToParts, err = r.cfg.Log.Partitions(ctx, e.To); err != nil {
			return fmt.Errorf("read the next epoch: %w", err)
		}
		r.tables.topic = e.From
		err := r.legsOf(ctx, done, func(ctx context.Context) error {
			places, err := r.tables.places(ctx)
			if err != nil {
				return err
			}
			return r.legs.reach(ctx, places)
		})
		if err != nil {
			return err
		}
		if err := snapshot.CarryOver(ctx, r.db, e); err != nil {
			return err
		}
		r.tables.topic = e.To
	}
	return nil
}

// newestEpoch of those that stand in the live tables.
func (t *tables) newestEpoch(ctx context.Context) (newest uint16, err error) {
	rows, err := t.conn.Query(ctx, "SELECT DISTINCT topic FROM projection")
	if err != nil {
		return 0, fmt.Errorf("read which epochs the tables have: %w", err)
	}
	var topic string
	_, err = pgx.ForEachRow(rows, []any{&topic}, func() error {
		newest = max(newest, eventlog.Epoch(topic))
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read which epochs the tables have: %w", err)
	}
	return newest, nil
}

// withoutAnything: all that an epoch had up to its seal has left the log with its
// retention. What is known of it is that it has ended.
func (w *rebuilder) withoutAnything(to livePlace) {
	if w.next < to.next || w.next == 0 || !to.sealed {
		return
	}
	w.next, w.snap.State.Term, w.snap.State.Sealed = to.next, to.term, true
	w.r.legs.update(w.part.Number(), func(g *leg) { g.from = to.next })
}
