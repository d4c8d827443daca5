package snapshot

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// listColumns are the short lists of a user. They are kept in order by place:
// rows beyond a list's end go, and those that differ are written.
type listColumns struct {
	closing closingColumns
	tombs   tombColumns
	// The place behind the last one, for each user.
	closingEnd, tombsEnd places
}

// add takes all lists of a user whole: the fold does not say which has changed,
// and rows that are the same already are not written.
func (c *listColumns) add(u *mailbox.User) {
	c.closingEnd.add(u, len(u.Closing))
	c.tombsEnd.add(u, len(u.Tombs))
	for i := range u.Closing {
		c.closing.add(u, i)
	}
	for i := range u.Tombs {
		c.tombs.add(u, i)
	}
}

// queue cuts the ends off before it writes: a list that has moved up by one has
// the same rows but the last, each at another place.
func (c *listColumns) queue(b *batch) {
	c.closingEnd.queue(b, sqlClosingEnd)
	c.tombsEnd.queue(b, sqlTombsEnd)
	c.closing.queue(b)
	c.tombs.queue(b)
}

// closingColumns are rows of closing.
type closingColumns struct {
	places
	conns
	devices  []string
	reasons  []int32
	after    []int64
	installs [][16]byte
}

func (c *closingColumns) add(u *mailbox.User, i int) {
	x := &u.Closing[i]
	c.places.add(u, i)
	c.conns.add(x.Conn)
	c.devices, c.reasons = append(c.devices, text(x.Device)), append(c.reasons, int32(x.Reason))
	c.after, c.installs = append(c.after, x.After), append(c.installs, x.Install)
}

func (c *closingColumns) queue(b *batch) {
	if len(c.reasons) > 0 {
		b.add(sqlClosing, c.apps, c.users, c.place, c.gates, c.incarnations, c.connections, c.devices, c.reasons, c.after, c.installs)
	}
}

// closing is loaded in order: when the list is full, its first one goes.
func (l *loader) closing() error {
	var gate, incarnation, connection, after int64
	var install [16]byte
	var device string
	var reason int32
	return l.rows(sqlLoadClosing, func(u *mailbox.User, _ int) error {
		u.Closing = append(u.Closing, mailbox.Closing{
			Device: untext(device), Conn: conn(gate, incarnation, connection), Reason: schemas.Reason(reason),
			After: after, Install: install,
		})
		return nil
	}, &gate, &incarnation, &connection, &device, &reason, &after, &install)
}

// tombColumns are rows of tombstones.
type tombColumns struct {
	places
	ids [][16]byte
	at  []int64
}

func (c *tombColumns) add(u *mailbox.User, i int) {
	c.places.add(u, i)
	c.ids, c.at = append(c.ids, u.Tombs[i].ID), append(c.at, u.Tombs[i].Time)
}

func (c *tombColumns) queue(b *batch) {
	if len(c.at) > 0 {
		b.add(sqlTombs, c.apps, c.users, c.place, c.ids, c.at)
	}
}

// tombs are loaded oldest first, as they are let go.
func (l *loader) tombs() error {
	var id [16]byte
	var at int64
	return l.rows(sqlLoadTombs, func(u *mailbox.User, _ int) error {
		u.Tombs = append(u.Tombs, mailbox.Tomb{ID: id, Time: at})
		return nil
	}, &id, &at)
}
