package snapshot

import (
	"fmt"

	"waybill/internal/mailbox"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
)

// recentColumns are the arrays of one row of recent_pushes.
type recentColumns struct {
	users                     []string
	ids                       [][16]byte
	positions, digests, times []int64
	floorUsers                []string
	floors                    []int64
}

// addChange adds what a user's change adds and forgets. next is a position
// behind all that the cut has read.
func (c *recentColumns) addChange(x *mailbox.Change, next schemas.Position) {
	for _, r := range x.Recent {
		if now, known := x.User.Recent[r.ID]; known && now.Pos == r.Pos {
			c.add(text(x.User.Key), r)
		}
	}
	if !x.Forgotten {
		return
	}
	floor := next
	for r := range x.User.Remembered() {
		floor = r.Pos
		break
	}
	c.floorUsers, c.floors = append(c.floorUsers, text(x.User.Key)), append(c.floors, int64(floor))
}

// add takes one push id; user is the key as it is stored.
func (c *recentColumns) add(user string, r mailbox.Recent) {
	c.users, c.ids = append(c.users, user), append(c.ids, r.ID)
	c.positions, c.digests = append(c.positions, int64(r.Pos)), append(c.digests, int64(r.Digest))
	c.times = append(c.times, r.Time)
}

// empty: no row is needed.
func (c *recentColumns) empty() bool { return len(c.users) == 0 && len(c.floors) == 0 }

// ids counts the push ids in recent_pushes, and decides when too many of them
// have been forgotten.
type idCount struct {
	stored int // in rows
	limit  int // more than that are looked through
}

const (
	// fewIds are not worth looking through: some MB.
	fewIds = 100_000
	// rewriteAt is how many times what is known may be stored. 4: each id is
	// written 1.33 times on the whole.
	rewriteAt = 4
	// rowIds bounds one row, when all is written anew.
	rowIds = 50_000
)

// rewritten: the rows hold what is known and nothing else.
func (n *idCount) rewritten(known int) { n.stored, n.limit = known, max(fewIds, rewriteAt*known) }

// rewriteRecent collects all that is known, for new rows.
func rewriteRecent(s *mailbox.State) []recentColumns {
	rows := make([]recentColumns, 1)
	for _, u := range s.Users {
		user := text(u.Key)
		for r := range u.Remembered() {
			if len(rows[len(rows)-1].users) == rowIds {
				rows = append(rows, recentColumns{})
			}
			rows[len(rows)-1].add(user, r)
		}
	}
	return rows
}

// queue writes the rows; anew: in place of all older ones.
func queueRecent(b *batch, next int64, rows []recentColumns, anew bool) {
	if anew {
		b.add(sqlRecentOlder, next)
	}
	for i := range rows {
		if r := &rows[i]; !r.empty() {
			b.add(sqlRecent, next, i, r.users, r.ids, r.positions, r.digests, r.times, r.floorUsers, r.floors)
		}
	}
}

// storedRecent is what the rows of one user say.
type storedRecent struct {
	all   []mailbox.Recent
	floor schemas.Position
}

// known leaves out what has been forgotten.
func (r *storedRecent) known() []mailbox.Recent {
	n := 0
	for n < len(r.all) && r.all[n].Pos < r.floor {
		n++
	}
	return r.all[n:]
}

// targets are in the order of load_recent.sql.
func (c *recentColumns) targets() []any {
	return []any{&c.users, &c.ids, &c.positions, &c.digests, &c.times, &c.floorUsers, &c.floors}
}

// recent loads the push ids, and counts them.
func (l *loader) recent() (idCount, error) {
	var n idCount
	rows, err := l.tx.Query(l.ctx, sqlLoadRecent, l.partition)
	if err != nil {
		return n, fmt.Errorf("load recent_pushes: %w", err)
	}
	var c recentColumns
	_, err = pgx.ForEachRow(rows, c.targets(), func() error {
		n.stored += len(c.users)
		return l.addRecent(&c)
	})
	if err != nil {
		return n, fmt.Errorf("load recent_pushes: %w", err)
	}
	known := 0
	for _, u := range l.users {
		known += len(u.recent.known())
	}
	n.limit = max(fewIds, rewriteAt*known)
	return n, nil
}

// addRecent takes one row apart. Rows come in the order in which they were
// written, so each user's ids come oldest first.
func (l *loader) addRecent(c *recentColumns) error {
	for i := range c.users {
		u, err := l.byKey(untext(c.users[i]))
		if err != nil {
			return err
		}
		u.recent.all = append(u.recent.all, mailbox.Recent{
			ID: c.ids[i], Pos: schemas.Position(c.positions[i]), Digest: uint64(c.digests[i]), Time: c.times[i],
		})
	}
	for i := range c.floorUsers {
		u, err := l.byKey(untext(c.floorUsers[i]))
		if err != nil {
			return err
		}
		u.recent.floor = max(u.recent.floor, schemas.Position(c.floors[i]))
	}
	return nil
}
