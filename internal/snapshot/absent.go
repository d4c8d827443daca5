package snapshot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"

	"github.com/jackc/pgx/v5"
)

// ErrSealed refuses to read users of a partition that has ended: their rows are
// those of the next epoch, or will be.
var ErrSealed = errors.New("the partition is sealed")

// LoadPresent is Load for a reader that acts: users of whom nothing is to be said
// before an event or a time comes are absent from the start (mailbox.Rest). The
// others are present: they have a route, a closing connection, or a push that the
// state alone may end. A user with more than full pushes is present, too.
func LoadPresent(ctx context.Context, db DB, topic string, partition int32, full int) (*Snapshot, error) {
	s := empty(topic, partition)
	err := read(ctx, db, func(tx pgx.Tx) error {
		l := &loader{ctx: ctx, tx: tx, partition: partition, users: make(map[string]*loading), resting: true}
		return l.loadPresent(s, full)
	})
	if err != nil {
		return nil, fmt.Errorf("load snapshot of %s/%d: %w", topic, partition, err)
	}
	return s, nil
}

func (l *loader) loadPresent(s *Snapshot, bound int) error {
	found, err := l.projection(s)
	if s.Found = found; err != nil || !found || s.State.Sealed {
		return err
	}
	if err := l.who(bound); err != nil {
		return err
	}
	if err := l.present(); err != nil {
		return err
	}
	if s.ids, err = l.recent(); err != nil {
		return err
	}
	asOf := s.asOf()
	for key, u := range l.users {
		if u.present {
			s.State.Restore(u.user, u.recent.known())
			u.user.AsOf(asOf)
		} else {
			s.State.Settle(key, u.rest, u.recent.known(), asOf)
		}
	}
	return nil
}

// asOf is the position of the newest record that the rows have.
func (s *Snapshot) asOf() schemas.Position { return schemas.At(eventlog.Epoch(s.Topic), s.Next-1) }

// who finds all users, and out about each whether it is present.
func (l *loader) who(bound int) error {
	if err := l.each(sqlRestDevices, func(u *loading, at int64) { u.rest.Away = at }); err != nil {
		return err
	}
	if err := l.each(sqlRestWaiting, func(u *loading, at int64) { u.rest.Due = at }); err != nil {
		return err
	}
	if err := l.each(sqlRestPresent, func(u *loading, _ int64) { u.present = true }); err != nil {
		return err
	}
	if err := l.each(sqlRestTombs, func(*loading, int64) {}); err != nil {
		return err
	}
	return l.whoIsOwed(bound)
}

// each runs a statement that gives a number for each of some users.
func (l *loader) each(sql string, take func(u *loading, n int64)) error {
	rows, err := l.tx.Query(l.ctx, sql, l.partition)
	if err != nil {
		return fmt.Errorf("load who is there: %w", err)
	}
	var app, name string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&app, &name, &n}, func() error {
		take(l.find(untext(app), untext(name)), n)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load who is there: %w", err)
	}
	return nil
}

// whoIsOwed looks at the pushes of each user together.
func (l *loader) whoIsOwed(bound int) error {
	rows, err := l.tx.Query(l.ctx, sqlRestPushes, l.partition)
	if err != nil {
		return fmt.Errorf("load who is owed: %w", err)
	}
	var app, name string
	var n, dead, since int64
	var restless bool
	_, err = pgx.ForEachRow(rows, []any{&app, &name, &n, &dead, &since, &restless}, func() error {
		u := l.find(untext(app), untext(name))
		u.rest.Due, u.rest.Since = sooner(u.rest.Due, dead+1), since
		u.present = u.present || restless || n > int64(bound)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load who is owed: %w", err)
	}
	return nil
}

func sooner(a, b int64) int64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// fewOf: up to this part of the users, the rows of those who are present are
// probed one by one.
const fewOf = 8

// present loads who is present: by their keys where they are few.
func (l *loader) present() error {
	var apps, names []string
	for key, u := range l.users {
		if u.present {
			app, name, _ := strings.Cut(key, "/")
			apps, names = append(apps, text(app)), append(names, text(name))
			l.find(app, name)
		}
	}
	switch {
	case len(apps) == 0:
		return nil
	case len(apps) < len(l.users)/fewOf:
		return l.some(apps, names)
	}
	return l.tables()
}

// some loads the users of whom these are the keys. The statements probe: what the
// planner thinks of the tables may be old.
func (l *loader) some(apps, names []string) error {
	if _, err := l.tx.Exec(l.ctx, sqlPlans); err != nil {
		return fmt.Errorf("load users: %w", err)
	}
	l.where, l.only = whereUsers, []any{l.partition, apps, names}
	defer func() { l.where, l.only = "", nil }()
	return l.tables()
}

// Users are the rows of some users as of one moment.
type Users struct {
	Rows []*mailbox.Rows // in the order in which they were wanted
	AsOf schemas.Position
}

// LoadUsers reads the rows of users of one partition, in one transaction. One who
// has none is a user of whom nothing is known.
func LoadUsers(ctx context.Context, db DB, topic string, partition int32, wants []mailbox.Want) (*Users, error) {
	out := new(Users)
	err := read(ctx, db, func(tx pgx.Tx) error {
		l := &loader{ctx: ctx, tx: tx, partition: partition, users: make(map[string]*loading)}
		return l.loadUsers(empty(topic, partition), wants, out)
	})
	if err != nil {
		return nil, fmt.Errorf("load %d users of %s/%d: %w", len(wants), topic, partition, err)
	}
	return out, nil
}

func (l *loader) loadUsers(s *Snapshot, wants []mailbox.Want, out *Users) error {
	found, err := l.projection(s)
	switch {
	case err != nil:
		return err
	case s.State.Sealed:
		return ErrSealed
	case !found:
		return nil // as of nothing
	}
	out.AsOf = s.asOf()
	if len(wants) == 0 {
		return nil
	}
	all, err := l.wanted(wants)
	if err != nil {
		return err
	}
	for _, w := range wants {
		u := l.users[w.Key]
		x := &mailbox.Rows{User: u.user, Recent: u.recent.all, Floor: u.recent.floor, All: all}
		out.Rows = append(out.Rows, x)
	}
	return nil
}

// wanted loads the users, and the push ids that came since the first From. all:
// those are all that there are.
func (l *loader) wanted(wants []mailbox.Want) (all bool, err error) {
	var apps, names []string
	from := wants[0].From
	for _, w := range wants {
		app, name, _ := strings.Cut(w.Key, "/")
		apps, names = append(apps, text(app)), append(names, text(name))
		l.find(app, name)
		from = min(from, w.From)
	}
	l.resting = true // push ids come of others as well
	if err := l.some(apps, names); err != nil {
		return false, err
	}
	rows, err := l.tx.Query(l.ctx, sqlLoadRecentSince, l.partition, from.Offset())
	if err != nil {
		return false, fmt.Errorf("load recent_pushes: %w", err)
	}
	var c recentColumns
	_, err = pgx.ForEachRow(rows, c.targets(), func() error { return l.addRecent(&c) })
	if err != nil {
		return false, fmt.Errorf("load recent_pushes: %w", err)
	}
	err = l.tx.QueryRow(l.ctx, sqlRestRecentOlder, l.partition, from.Offset()).Scan(&all)
	return all, err
}
