package snapshot

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrFenced refuses a flush whose beginning is not where the rows end: another
// writer has moved on, or the tables were dropped. The state must be loaded
// anew.
var ErrFenced = errors.New("the projection stands elsewhere: another writer, a replay, or a rebuild")

// Flush writes the cut in the caller's transaction, which must be rolled back
// after any error. The fence comes first and locks the partition's row of
// projection until the transaction ends, so two writers take turns there. All
// statements go out at once and cost one round trip; devices that are new are
// copied in behind them.
func Flush(ctx context.Context, tx pgx.Tx, c *Cut) error {
	b := &batch{partition: c.Partition}
	c.queueFence(b)
	b.Queue(sqlPlans)
	c.queue(b)
	err := tx.SendBatch(ctx, &b.Batch).Close()
	if err == nil {
		err = c.fresh.copy(ctx, tx, c.Partition)
	}
	if err != nil {
		return fmt.Errorf("flush %s/%d from %d to %d: %w", c.Topic, c.Partition, c.From, c.To, err)
	}
	return nil
}

// batch is one flush's statements. $1 of each is the partition.
type batch struct {
	pgx.Batch
	partition int32
}

// add queues a statement; args are its parameters from $2 on.
func (b *batch) add(sql string, args ...any) *pgx.QueuedQuery {
	return b.Queue(sql, append([]any{b.partition}, args...)...)
}

// queueFence moves the projection from the cut's beginning to its end.
func (c *Cut) queueFence(b *batch) {
	args := []any{c.Topic, c.To, c.term, c.at, c.sealed, c.serials}
	sql := sqlBegin
	if c.From != 0 {
		sql, args = sqlAdvance, append(args, c.From, c.table)
	}
	b.add(sql, args...).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != 1 {
			return ErrFenced
		}
		return nil
	})
}

// queue adds the rows. What is deleted comes first: a list's place, or a
// position, may be written anew.
func (c *Cut) queue(b *batch) {
	if c.wipe {
		b.add(sqlWipe)
	}
	c.devices.queue(b)
	c.sessions.queue(b)
	c.routes.queue(b)
	c.gone.queue(b, sqlPushesGone)
	c.gone.queue(b, sqlDebtsGone)
	c.unwaited.queue(b, sqlWaitingGone)
	c.pushes.queue(b)
	c.moving.queue(b)
	c.debts.queue(b)
	c.waiting.queue(b)
	c.lists.queue(b)
	queueRecent(b, c.To, c.recent, c.recentAnew)
}
