package snapshot

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// debtColumns are rows of debts. A copy of which nothing is known has none, so
// that the rows do not depend on when they were written.
type debtColumns struct {
	places
	positions                                        []int64
	dispatched, sent, ackedAt, opened, sentAt, tried []int64 // tried: the attempt
	attempt, ack                                     conns
	class                                            []int32
	tries                                            []int16
	owed, acked, routed                              []bool
	empty                                            emptyDebts
}

// emptyDebts are stored copies of which nothing is left.
type emptyDebts struct {
	places
	positions []int64
}

// addAll takes the push's copies, one for each device that it was ever near.
// An empty copy is deleted only where it may have a row: not of a new push.
func (c *debtColumns) addAll(u *mailbox.User, p *mailbox.Push, isNew bool) {
	for i := range p.Copies {
		d := p.Copies[i]
		d.Work = mailbox.Work{}
		switch {
		case d != mailbox.Copy{}:
			c.add(u, p.Pos, i, &d)
		case !isNew:
			c.empty.places.add(u, i)
			c.empty.positions = append(c.empty.positions, int64(p.Pos))
		}
	}
}

// add takes one copy that has something to say.
func (c *debtColumns) add(u *mailbox.User, pos schemas.Position, place int, d *mailbox.Copy) {
	c.places.add(u, place)
	c.positions = append(c.positions, int64(pos))
	c.dispatched, c.sent = append(c.dispatched, d.Dispatched), append(c.sent, d.Sent)
	c.ackedAt, c.opened = append(c.ackedAt, d.AckTime), append(c.opened, d.Opened)
	c.sentAt, c.tried = append(c.sentAt, d.SentAt), append(c.tried, int64(d.Attempt))
	c.attempt.add(d.AttemptConn)
	c.ack.add(d.AckConn)
	c.class, c.tries = append(c.class, int32(d.End)), append(c.tries, int16(d.Tries))
	c.owed, c.acked, c.routed = append(c.owed, d.Owed), append(c.acked, d.Acked), append(c.routed, d.Routed)
}

// queue puts out both: what goes, and what is new or changed.
func (c *debtColumns) queue(b *batch) {
	if len(c.empty.positions) > 0 {
		b.add(sqlDebtsEmpty, c.empty.apps, c.empty.users, c.empty.positions, c.empty.place)
	}
	if len(c.positions) > 0 {
		b.add(sqlDebts, c.apps, c.users, c.positions, c.place, c.dispatched, c.sent, c.ackedAt, c.opened, c.sentAt,
			c.tried, c.attempt.gates, c.attempt.incarnations, c.attempt.connections,
			c.ack.gates, c.ack.incarnations, c.ack.connections, c.class, c.tries, c.owed, c.acked, c.routed)
	}
}

// debtRow is one row of debts.
type debtRow struct {
	position                                         int64
	dispatched, sent, ackedAt, opened, sentAt, tried int64
	attempt, ack                                     [3]int64
	class                                            int32
	tries                                            int16
	owed, acked, routed                              bool
}

// targets are in the order of load_debts.sql, after app, user and place.
func (r *debtRow) targets() []any {
	return []any{
		&r.position, &r.dispatched, &r.sent, &r.ackedAt, &r.opened, &r.sentAt, &r.tried,
		&r.attempt[0], &r.attempt[1], &r.attempt[2], &r.ack[0], &r.ack[1], &r.ack[2],
		&r.class, &r.tries, &r.owed, &r.acked, &r.routed,
	}
}

// copy is the row as the fold knows it; delivery's Work is never stored.
func (r *debtRow) copy() mailbox.Copy {
	return mailbox.Copy{
		Owed: r.owed, Acked: r.acked, Routed: r.routed, Tries: uint8(r.tries), End: schemas.Class(r.class),
		Attempt: uint32(r.tried), Dispatched: r.dispatched, Sent: r.sent, AckTime: r.ackedAt, Opened: r.opened, SentAt: r.sentAt,
		AttemptConn: conn(r.attempt[0], r.attempt[1], r.attempt[2]), AckConn: conn(r.ack[0], r.ack[1], r.ack[2]),
	}
}

// debts are loaded after devices and pushes, to which they belong. Copies of
// devices without a row stay empty, or short: the fold takes both alike.
func (l *loader) debts() error {
	var r debtRow
	return l.rows(sqlLoadDebts, func(u *mailbox.User, place int) error {
		p := u.Push(schemas.Position(r.position))
		if p == nil || place < 0 || place >= len(u.Devices) {
			return errorOf(u, "a debt at %v for place %d belongs to no push or no device", schemas.Position(r.position), place)
		}
		*p.Copy(place) = r.copy()
		return nil
	}, r.targets()...)
}
