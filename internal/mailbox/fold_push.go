package mailbox

import (
	"bytes"
	"slices"
	"strings"

	"waybill/schemas"
)

// pushed makes the push due, or puts it among the waiting if it has a time. One
// that must not be delivered (a repeat, a canceled one) is due at once: it ends
// by an outcome like any other, and holds its place in the order until then.
func (u *User) pushed(pos schemas.Position, at int64, e *schemas.Event) {
	b := e.Pushed
	if b == nil {
		return
	}
	p := newPush(pos, e)
	u.recall(p, b, at)
	ttl := b.Ttl * 1000
	if b.DeliverAt > 0 && p.Never == 0 {
		u.Waiting = append(u.Waiting, Waiting{Push: p, Due: b.DeliverAt, TTL: ttl})
		u.count(p)
		u.moved = true
		return
	}
	u.due(p, at, ttl)
}

// newPush copies what the event says: its bytes belong to the reader.
func newPush(pos schemas.Position, e *schemas.Event) *Push {
	b := e.Pushed
	p := &Push{
		Pos: pos, ID: schemas.IDFrom(b.PushId), Trace: schemas.IDFrom(e.TraceId),
		Name: strings.Clone(b.Name), Label: strings.Clone(b.Label), CollapseKey: strings.Clone(b.CollapseKey),
		Family: b.Family, Command: b.Command, Body: bytes.Clone(b.Body), Digest: b.Digest,
		Device: strings.Clone(e.Device), FirstWins: b.FirstDeviceWins, Accepted: e.Time, changed: true,
	}
	copy(p.Span[:], e.ParentSpan)
	return p
}

// recall compares the push with those of the same id and with tombstones. An
// id that Waybill drew is not remembered beyond its push; while that one is
// open, its repetition under the drawn id is known all the same.
func (u *User) recall(p *Push, b *schemas.Pushed, at int64) {
	u.forget(at)
	r, ok := u.Recent[p.ID]
	if !ok && b.Name != "" {
		r, ok = u.openWith(p.ID)
	}
	if ok {
		p.First, p.Never = r.Pos, schemas.Reason_REASON_DUPLICATE
		if r.Digest != p.Digest {
			p.Never = schemas.Reason_REASON_ID_REUSED
		}
		return
	}
	if slices.ContainsFunc(u.Tombs, func(t Tomb) bool { return t.ID == p.ID }) {
		p.Never = schemas.Reason_REASON_CANCELED
	}
	if b.Name != "" {
		u.remember(Recent{ID: p.ID, Pos: p.Pos, Digest: p.Digest, Time: at})
	}
}

// openWith is the open push with that id.
func (u *User) openWith(id schemas.ID) (Recent, bool) {
	if !u.mayHold(id) {
		return Recent{}, false
	}
	for _, p := range u.Pushes {
		if p.ID == id && p.Never == 0 {
			return Recent{ID: id, Pos: p.Pos, Digest: p.Digest}, true
		}
	}
	for i := range u.Waiting {
		if p := u.Waiting[i].Push; p.ID == id {
			return Recent{ID: id, Pos: p.Pos, Digest: p.Digest}, true
		}
	}
	return Recent{}, false
}

// due puts the push into the mailbox: from now on each live device is owed it.
// ttl counts from here, in broker time. One that must never be delivered is
// owed to nobody and collapses nothing.
func (u *User) due(p *Push, at, ttl int64) {
	p.Since, p.Dead = at, at+ttl
	if p.Never == 0 {
		u.collapse(p)
		if p.Copies = p.one[:]; len(u.Devices) != 1 {
			p.Copies = make([]Copy, len(u.Devices))
		}
		for i := range u.Devices {
			d, c := &u.Devices[i], &p.Copies[i]
			c.Owed = d.Live && p.For(d.Name)
			c.Routed = c.Owed && d.Connected()
		}
	}
	u.Pushes = append(u.Pushes, p)
	u.count(p)
	u.note(p)
}

// collapse asks for the end of older pushes of the same collapse key. Whether it
// is too late for one (it was dispatched) is delivery's to judge.
func (u *User) collapse(p *Push) {
	if p.CollapseKey == "" {
		return
	}
	for _, q := range u.Pushes {
		if q.CollapseKey == p.CollapseKey && q.End == 0 && q.Never == 0 && q.Ask == 0 {
			q.Ask = schemas.Reason_REASON_COLLAPSED
			u.note(q)
		}
	}
}

// released makes a waiting push due; the first one in the log wins.
func (u *User) released(pos schemas.Position, at int64, e *schemas.Event) {
	from := schemas.Position(e.Released.GetPosition())
	i := slices.IndexFunc(u.Waiting, func(w Waiting) bool { return w.Push.Pos == from })
	if i < 0 {
		return
	}
	ttl := u.Waiting[i].TTL
	p := u.unwait(i)
	p.Pos, p.Pushed = pos, p.Pos
	u.due(p, at, ttl)
}

// cancelAsked withdraws a waiting push, asks for the end of an open one, and
// buries an id that is unknown, for the push that may still come. An id that
// has been and gone (Recent) needs no tomb: its next push is a duplicate.
func (u *User) cancelAsked(at int64, e *schemas.Event) {
	id := schemas.IDFrom(e.CancelAsked.GetPushId())
	if i := slices.IndexFunc(u.Waiting, func(w Waiting) bool { return w.Push.ID == id }); i >= 0 {
		// It keeps the position of pushed, which older pushes may follow.
		p := u.unwait(i)
		p.Never, p.Since, p.Dead = schemas.Reason_REASON_CANCELED, at, at
		j, _ := u.at(p.Pos)
		u.Pushes = slices.Insert(u.Pushes, j, p)
		u.note(p)
		return
	}
	known := false
	for _, p := range u.Pushes {
		if p.ID == id && p.Never == 0 {
			known = true
			if p.End == 0 {
				p.Ask = schemas.Reason_REASON_CANCELED
				u.note(p)
			}
		}
	}
	if _, recent := u.Recent[id]; !known && !recent {
		u.bury(Tomb{ID: id, Time: at})
	}
}

// remember keeps an id for the idempotency window, up to a number; the oldest
// goes first, so that one position says which of them have gone.
func (u *User) remember(r Recent) {
	if u.Recent == nil {
		u.Recent = make(map[schemas.ID]Recent)
	}
	if len(u.recentOrder) >= maxRecent {
		u.dropRecent()
	}
	u.Recent[r.ID] = r
	u.recentOrder = append(u.recentOrder, r.ID)
	u.changes.recent = append(u.changes.recent, r)
}

// bury keeps a tomb; beyond the bound the oldest is given up.
func (u *User) bury(t Tomb) {
	if len(u.Tombs) >= maxTombs {
		u.Tombs = slices.Delete(u.Tombs, 0, 1)
	}
	u.Tombs = append(u.Tombs, t)
	u.changes.lists = true
}

// forget lets go what the idempotency window has left behind.
func (u *User) forget(at int64) {
	for len(u.recentOrder) > 0 && u.Recent[u.recentOrder[0]].Time < at-window {
		u.dropRecent()
	}
	n := 0
	for n < len(u.Tombs) && u.Tombs[n].Time < at-window {
		n++
	}
	if n > 0 {
		u.Tombs = slices.Delete(u.Tombs, 0, n)
		u.changes.lists = true
	}
}

// dropRecent forgets the oldest id.
func (u *User) dropRecent() {
	id := u.recentOrder[0]
	u.recentOrder = u.recentOrder[1:]
	delete(u.Recent, id)
	u.changes.forgotten = true
}
