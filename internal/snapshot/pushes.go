package snapshot

import (
	"encoding/binary"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// fixedColumns are what a push brings along: the part that pending_pushes and
// waiting_pushes have in common, none of which ever changes.
type fixedColumns struct {
	keys
	positions, spans, digests, accepted, families, commands []int64
	ids, traces                                             [][16]byte
	devices, names, labels, collapse                        []string
	bodies                                                  [][]byte
	firstWins                                               []bool
}

// add takes a push with its body, which is still there: bodies are let go only
// once they have been stored.
func (c *fixedColumns) add(u *mailbox.User, p *mailbox.Push) {
	c.keys.add(u)
	c.positions = append(c.positions, int64(p.Pos))
	c.spans = append(c.spans, int64(binary.BigEndian.Uint64(p.Span[:])))
	c.digests = append(c.digests, int64(p.Digest))
	c.accepted = append(c.accepted, p.Accepted)
	c.families = append(c.families, int64(p.Family))
	c.commands = append(c.commands, int64(p.Command))
	c.ids, c.traces = append(c.ids, p.ID), append(c.traces, p.Trace)
	c.devices = append(c.devices, text(p.Device))
	c.names = append(c.names, text(p.Name))
	c.labels = append(c.labels, text(p.Label))
	c.collapse = append(c.collapse, text(p.CollapseKey))
	c.bodies = append(c.bodies, notNull(p.Body))
	c.firstWins = append(c.firstWins, p.FirstWins)
}

// notNull: pgx writes a nil slice as NULL, and no column is.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// args are $2 to $17.
func (c *fixedColumns) args(more ...any) []any {
	return append([]any{
		c.apps, c.users, c.positions, c.ids, c.traces, c.spans, c.digests, c.accepted, c.families, c.commands,
		c.devices, c.names, c.labels, c.collapse, c.bodies, c.firstWins,
	}, more...)
}

// fixedRow is one row's part of them.
type fixedRow struct {
	position, span, digest, accepted, family, command int64
	id, trace                                         [16]byte
	device, name, label, collapse                     string
	body                                              []byte
	firstWins                                         bool
}

// targets are in the order of load_pushes.sql and load_waiting.sql, after app,
// user and place; more are the columns that only one of them has.
func (r *fixedRow) targets(more ...any) []any {
	return append([]any{
		&r.position, &r.id, &r.trace, &r.span, &r.digest, &r.accepted, &r.family, &r.command,
		&r.device, &r.name, &r.label, &r.collapse, &r.body, &r.firstWins,
	}, more...)
}

// push is the row as the fold knows it. Scan has copied the body.
func (r *fixedRow) push() *mailbox.Push {
	p := &mailbox.Push{
		Pos: schemas.Position(r.position), ID: r.id, Trace: r.trace, Digest: uint64(r.digest), Accepted: r.accepted,
		Family: uint32(r.family), Command: uint32(r.command),
		Device: untext(r.device), Name: untext(r.name), Label: untext(r.label), CollapseKey: untext(r.collapse),
		FirstWins: r.firstWins,
	}
	binary.BigEndian.PutUint64(p.Span[:], uint64(r.span))
	if len(r.body) > 0 {
		p.Body = r.body
	}
	return p
}

// pushColumns are new rows of pending_pushes.
type pushColumns struct {
	fixedColumns
	since, dead, first, pushed []int64
	never                      []int32
	moving                     movingColumns
}

// movingColumns are what changes in them: for new rows, and for stored ones.
type movingColumns struct {
	keys
	positions                         []int64
	ask, class                        []int32
	delivered, unconfirmed, unreached []bool
}

// add takes a push that has no row yet.
func (c *pushColumns) add(u *mailbox.User, p *mailbox.Push) {
	c.fixedColumns.add(u, p)
	c.since, c.dead, c.first = append(c.since, p.Since), append(c.dead, p.Dead), append(c.first, int64(p.First))
	c.pushed = append(c.pushed, int64(p.Pushed))
	c.never = append(c.never, int32(p.Never))
	c.moving.append(p)
}

// add takes a push that has a row, and names it.
func (c *movingColumns) add(u *mailbox.User, p *mailbox.Push) {
	c.keys.add(u)
	c.positions = append(c.positions, int64(p.Pos))
	c.append(p)
}

// append takes what may have changed.
func (c *movingColumns) append(p *mailbox.Push) {
	c.ask, c.class = append(c.ask, int32(p.Ask)), append(c.class, int32(p.End))
	c.delivered, c.unconfirmed = append(c.delivered, p.Delivered), append(c.unconfirmed, p.Unconfirmed)
	c.unreached = append(c.unreached, p.Unreached)
}

// queue inserts: a position that is there already is a fault, and an error.
func (c *pushColumns) queue(b *batch) {
	if len(c.positions) > 0 {
		m := &c.moving
		b.add(sqlPushesNew, c.args(c.since, c.dead, c.first, c.pushed, c.never,
			m.ask, m.class, m.delivered, m.unconfirmed, m.unreached)...)
	}
}

// queue updates what differs. Most pushes stand here for a copy that changed.
func (c *movingColumns) queue(b *batch) {
	if len(c.positions) > 0 {
		b.add(sqlPushes, c.apps, c.users, c.positions, c.ask, c.class, c.delivered, c.unconfirmed, c.unreached)
	}
}

// pushes are loaded by rising position, as the mailbox holds them.
func (l *loader) pushes() error {
	var r fixedRow
	var since, dead, first, pushed int64
	var never, ask, class int32
	var delivered, unconfirmed, unreached bool
	return l.rows(sqlLoadPushes, func(u *mailbox.User, _ int) error {
		p := r.push()
		p.Since, p.Dead, p.First, p.Pushed, p.Never = since, dead, schemas.Position(first), schemas.Position(pushed), schemas.Reason(never)
		p.Ask, p.End, p.Delivered, p.Unconfirmed, p.Unreached = schemas.Reason(ask), schemas.Class(class), delivered, unconfirmed, unreached
		u.Pushes = append(u.Pushes, p)
		return nil
	}, r.targets(&since, &dead, &first, &pushed, &never, &ask, &class, &delivered, &unconfirmed, &unreached)...)
}

// waitingColumns are new rows of waiting_pushes.
type waitingColumns struct {
	fixedColumns
	due, ttl []int64
}

// add takes a push that began to wait. When it is due it moves to
// pending_pushes under another position, with its body.
func (c *waitingColumns) add(u *mailbox.User, w mailbox.Waiting) {
	c.fixedColumns.add(u, w.Push)
	c.due, c.ttl = append(c.due, w.Due), append(c.ttl, w.TTL)
}

// queue inserts; such rows never change.
func (c *waitingColumns) queue(b *batch) {
	if len(c.positions) > 0 {
		b.add(sqlWaiting, c.args(c.due, c.ttl)...)
	}
}

// waiting is loaded by rising position, the order in which the log has them.
func (l *loader) waiting() error {
	var r fixedRow
	var due, ttl int64
	return l.rows(sqlLoadWaiting, func(u *mailbox.User, _ int) error {
		u.Waiting = append(u.Waiting, mailbox.Waiting{Push: r.push(), Due: due, TTL: ttl})
		return nil
	}, r.targets(&due, &ttl)...)
}
