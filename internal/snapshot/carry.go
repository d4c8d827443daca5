package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"waybill/internal/eventlog"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
)

// ErrNotSealed refuses to carry over rows of an epoch that has not ended here:
// some partition of it is not projected up to its seal.
var ErrNotSealed = errors.New("the former epoch is not projected up to its seals yet")

// Epochs says from which topic to which rows are carried over, and how many
// partitions these have.
type Epochs struct {
	From, To           string
	FromParts, ToParts int32
}

// CarryOver gives the rows of each user the partition that its key has in the
// next epoch, and each of those a place at the beginning of its topic, in one
// transaction. Where it has been done it does nothing.
func CarryOver(ctx context.Context, db DB, e Epochs) error {
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		return (&carry{ctx: ctx, tx: tx, Epochs: e, partition: eventlog.PartitionsOf(e.ToParts)}).run()
	})
	if err != nil {
		return fmt.Errorf("carry the rows of %s over to %s: %w", e.From, e.To, err)
	}
	return nil
}

// carry is one CarryOver.
type carry struct {
	ctx context.Context // of this one transaction
	tx  pgx.Tx
	Epochs
	partition func(key []byte) int32
}

func (c *carry) run() error {
	if _, err := c.tx.Exec(c.ctx, sqlCarryLock); err != nil {
		return err
	}
	if there, _, _, err := c.places(c.To); err != nil || there > 0 {
		return err
	}
	there, sealed, at, err := c.places(c.From)
	if err != nil {
		return err
	}
	if there < int(c.FromParts) || sealed < there {
		return fmt.Errorf("%w: %d of %d are", ErrNotSealed, sealed, c.FromParts)
	}
	if err := c.users(); err != nil {
		return err
	}
	if err := c.ids(); err != nil {
		return err
	}
	var serials eventlog.Serials
	serials.SetTime(at)
	_, err = c.tx.Exec(c.ctx, sqlCarryBegin, c.To, c.ToParts, at, serials.Encode(nil))
	return err
}

// places counts the topic's partitions that stand in the rows, and those that
// have ended there.
func (c *carry) places(topic string) (there, sealed int, at int64, err error) {
	err = c.tx.QueryRow(c.ctx, sqlCarryPlaces, topic).Scan(&there, &sealed, &at)
	return there, sealed, at, err
}

// users moves whatever stands in a row for a user.
func (c *carry) users() error {
	tables, err := c.tables()
	if err != nil {
		return err
	}
	if err := c.moved(tables); err != nil {
		return err
	}
	for _, table := range tables {
		name := pgx.Identifier{table}.Sanitize()
		_, err := c.tx.Exec(c.ctx, "UPDATE "+name+" AS t SET partition = m.partition FROM moved m"+
			" WHERE t.partition = m.former AND t.app = m.app AND t.user_name = m.user_name")
		if err != nil {
			return fmt.Errorf("move the rows of %s: %w", table, err)
		}
	}
	return nil
}

// tables with rows of users, beside that of the push ids.
func (c *carry) tables() ([]string, error) {
	rows, err := c.tx.Query(c.ctx, sqlCarryTables)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// moved makes the list of users who get another partition.
func (c *carry) moved(tables []string) error {
	selects := make([]string, len(tables))
	for i, table := range tables {
		selects[i] = "SELECT partition, app, user_name FROM " + pgx.Identifier{table}.Sanitize()
	}
	rows, err := c.tx.Query(c.ctx, strings.Join(selects, " UNION "))
	if err != nil {
		return err
	}
	var moved [][]any
	var former int32
	var app, user string
	_, err = pgx.ForEachRow(rows, []any{&former, &app, &user}, func() error {
		if to := c.partition(schemas.Key(untext(app), untext(user))); to != former {
			moved = append(moved, []any{former, to, app, user})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := c.tx.Exec(c.ctx, sqlCarryMoved); err != nil {
		return err
	}
	columns := []string{"former", "partition", "app", "user_name"}
	if _, err := c.tx.CopyFrom(c.ctx, pgx.Identifier{"moved"}, columns, pgx.CopyFromRows(moved)); err != nil {
		return err
	}
	_, err = c.tx.Exec(c.ctx, "ANALYZE moved")
	return err
}

// ids writes the push ids that are known anew: they lie in rows of many users.
func (c *carry) ids() error {
	var all []*loader
	for n := range c.FromParts {
		l := &loader{ctx: c.ctx, tx: c.tx, partition: n, users: make(map[string]*loading)}
		if _, err := l.recent(); err != nil {
			return err
		}
		all = append(all, l)
	}
	if _, err := c.tx.Exec(c.ctx, "DELETE FROM recent_pushes"); err != nil {
		return err
	}
	b := &batch{}
	for to, rows := range c.placed(all) {
		b.partition = int32(to)
		queueRecent(b, 0, rows, false)
	}
	return c.tx.SendBatch(c.ctx, &b.Batch).Close()
}

// placed are the push ids by their new partition, each user's oldest first.
func (c *carry) placed(all []*loader) [][]recentColumns {
	placed := make([][]recentColumns, c.ToParts)
	for _, l := range all {
		for key, u := range l.users {
			to := c.partition([]byte(key))
			for _, r := range u.recent.known() {
				rows := placed[to]
				if n := len(rows); n == 0 || len(rows[n-1].users) == rowIds {
					rows = append(rows, recentColumns{})
				}
				rows[len(rows)-1].add(text(key), r)
				placed[to] = rows
			}
		}
	}
	return placed
}

// Abandon deletes what was carried over from the topic into later epochs: they
// were of a log that is no more, and the topic has begun anew. The rows of its own
// partitions, so many, are left to their next flushes.
func Abandon(ctx context.Context, db DB, topic string, partitions int32) error {
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{}, func(tx pgx.Tx) error {
		c := &carry{ctx: ctx, tx: tx}
		if _, err := tx.Exec(ctx, sqlCarryLock); err != nil {
			return err
		}
		if err := c.abandonPlaces(eventlog.Epoch(topic)); err != nil {
			return err
		}
		tables, err := c.tables()
		if err != nil {
			return err
		}
		for _, table := range append(tables, "recent_pushes") {
			if _, err := tx.Exec(ctx, "DELETE FROM "+pgx.Identifier{table}.Sanitize()+" WHERE partition >= $1", partitions); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("abandon the epochs after %s: %w", topic, err)
	}
	return nil
}

// abandonPlaces deletes the places of all later epochs.
func (c *carry) abandonPlaces(epoch uint16) error {
	rows, err := c.tx.Query(c.ctx, "SELECT DISTINCT topic FROM projection")
	if err != nil {
		return err
	}
	topics, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	topics = slices.DeleteFunc(topics, func(t string) bool { return eventlog.Epoch(t) <= epoch })
	_, err = c.tx.Exec(c.ctx, "DELETE FROM projection WHERE topic = ANY($1)", topics)
	return err
}
