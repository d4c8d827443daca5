package sim

import (
	"slices"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// projector folds the log as the session projector does, and stores what
// changed. A snapshot is what it has stored, not what it has folded.
type projector struct {
	reader
	stored  rows
	serials *eventlog.Serials // as stored
	term    schemas.Position
	asOf    int // next record that the rows do not have
}

// rows stand for Postgres.
type rows struct {
	lists   mailbox.User // Closing, Tombs
	devices []mailbox.Device
	pushes  []*mailbox.Push
	waiting []mailbox.Waiting
	recent  []mailbox.Recent
}

func newProjector() *projector {
	p := &projector{reader: newReader(), serials: new(eventlog.Serials)}
	p.state.Track()
	return p
}

// step folds one record.
func (p *projector) step(w *world) bool {
	if p.next >= len(w.log) {
		return false
	}
	if pos, r, fresh := p.take(w); fresh {
		p.state.Apply(pos, r.at, r.event)
	}
	return true
}

// flush stores what changed since the last one.
func (p *projector) flush() bool {
	if p.asOf == p.next {
		return false
	}
	for _, c := range p.state.Changes() {
		p.stored.store(&c)
	}
	p.serials, p.term, p.asOf = p.reader.serials.Clone(), p.state.Term, p.next
	return true
}

// kill: it starts again from what it has stored. Without CommitAfterWork its
// place was stored before the rows were.
func (p *projector) kill(w *world) {
	if w.off.has(CommitAfterWork) {
		p.serials, p.term, p.asOf = p.reader.serials.Clone(), p.state.Term, p.next
	}
	p.reader = p.load(w.off)
	p.state.Track()
	w.say("projector: kill -9, starts again as of %v", position(p.asOf-1))
}

func (r *rows) store(c *mailbox.Change) {
	if c.Lists {
		r.lists = mailbox.User{Closing: slices.Clone(c.User.Closing), Tombs: slices.Clone(c.User.Tombs)}
	}
	for _, d := range c.Devices {
		r.storeDevice(d)
	}
	for _, pos := range c.Gone {
		r.pushes = slices.DeleteFunc(r.pushes, func(p *mailbox.Push) bool { return p.Pos == pos })
	}
	for i, p := range c.Pushes {
		r.storePush(p, c.New[i])
	}
	for _, pos := range c.Unwaited {
		r.waiting = slices.DeleteFunc(r.waiting, func(x mailbox.Waiting) bool { return x.Push.Pos == pos })
	}
	r.waiting = append(r.waiting, cloneWaiting(c.Waiting)...)
	r.recent = append(r.recent, c.Recent...)
	if c.Forgotten {
		r.recent = slices.DeleteFunc(r.recent, func(x mailbox.Recent) bool { return c.User.Recent[x.ID] != x })
	}
}

// storeDevice keeps apart, as the tables do, what moves with acks and what a
// login or an end of a route brings.
func (r *rows) storeDevice(d mailbox.DeviceChange) {
	for len(r.devices) <= d.Place {
		r.devices = append(r.devices, mailbox.Device{})
	}
	row := &r.devices[d.Place]
	if d.Linked {
		*row = *d.Device
		return
	}
	row.Cursor, row.Received, row.Progress, row.UplinkMark = d.Cursor, d.Received, d.Progress, d.UplinkMark
	row.GapFrom, row.GapTo, row.Resumed = d.GapFrom, d.GapTo, d.Resumed
}

// storePush inserts or replaces a row; the body comes with the first one only.
func (r *rows) storePush(p *mailbox.Push, first bool) {
	row := clonePush(p)
	i, found := slices.BinarySearchFunc(r.pushes, p.Pos, func(x *mailbox.Push, pos schemas.Position) int {
		return int(int64(x.Pos) - int64(pos))
	})
	if found {
		row.Body = r.pushes[i].Body
		r.pushes[i] = row
	} else {
		r.pushes = slices.Insert(r.pushes, i, row)
	}
	if first {
		p.Body = nil
	}
}

// load makes a fold of the rows, as a worker does: the clauses take away what a
// snapshot might forget.
func (p *projector) load(off Faults) reader {
	s := mailbox.New()
	s.Term = p.term
	u := p.user()
	forget(u, off)
	s.Restore(u, p.stored.recent)
	return reader{state: s, serials: p.serials.Clone(), next: p.asOf}
}

// user as the rows have it.
func (p *projector) user() *mailbox.User {
	r := &p.stored
	u := &mailbox.User{
		Key: userKey, App: app, Name: user,
		Devices: slices.Clone(r.devices), Waiting: cloneWaiting(r.waiting),
		Closing: slices.Clone(r.lists.Closing), Tombs: slices.Clone(r.lists.Tombs),
	}
	for _, x := range r.pushes {
		u.Pushes = append(u.Pushes, clonePush(x))
	}
	return u
}

func forget(u *mailbox.User, off Faults) {
	if off.has(TombstoneInSnapshot) {
		u.Tombs = nil
	}
	if off.has(ClosingInSnapshot) {
		u.Closing = nil
	}
	for i := range u.Devices {
		if d := &u.Devices[i]; off.has(EndedInSnapshot) && !d.Live {
			d.LoginAt, d.Session, d.Ended = 0, schemas.ID{}, schemas.Reason_REASON_SESSION_ENDED
		}
	}
	if !off.has(TriesInSnapshot | RoutedInSnapshot) {
		return
	}
	for _, p := range u.Pushes {
		for i := range p.Copies {
			if off.has(TriesInSnapshot) {
				p.Copies[i].Tries = 0
			}
			if off.has(RoutedInSnapshot) {
				p.Copies[i].Routed = u.Devices[i].Connected()
			}
		}
	}
}

func clonePush(p *mailbox.Push) *mailbox.Push {
	q := *p
	q.Ending = mailbox.Ending{}
	q.Copies = slices.Clone(p.Copies)
	for i := range q.Copies {
		q.Copies[i].Work = mailbox.Work{}
	}
	return &q
}

func cloneWaiting(from []mailbox.Waiting) []mailbox.Waiting {
	to := slices.Clone(from)
	for i := range to {
		to[i].Push, to[i].Asked = clonePush(to[i].Push), 0
	}
	return to
}
