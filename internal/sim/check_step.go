package sim

import (
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// step checks what must be true after every step.
func (c *check) step() {
	c.open()
	for _, k := range c.w.workers {
		c.watched(k)
	}
}

// open: each accepted push that has not ended as a whole stands in the fold.
func (c *check) open() {
	u := c.state.Users[userKey]
	for _, pos := range c.accepted {
		if p := u.Push(pos); !c.waits(pos) && (p == nil || p.End != 0) {
			c.w.fail("%v was accepted, has no outcome and is nowhere", pos)
		}
	}
}

// waits: the push is to be delivered later.
func (c *check) waits(pos schemas.Position) bool {
	u := c.state.Users[userKey]
	return slices.ContainsFunc(u.Waiting, func(x mailbox.Waiting) bool { return x.Push.Pos == pos })
}

// accept notes what becomes of accepted pushes.
func (c *check) accept(pos schemas.Position, e *schemas.Event) {
	switch {
	case e.Pushed != nil:
		c.accepted = append(c.accepted, pos)
		if c.forgotten(e.Pushed) {
			c.anew = append(c.anew, pos)
		}
	case e.Released != nil:
		from := schemas.Position(e.Released.Position)
		if i := slices.Index(c.accepted, from); i >= 0 && c.waits(from) { // else a cancel was first
			c.accepted[i] = pos
		}
	case e.Outcome != nil && (e.Device == "" || e.Outcome.Whole):
		c.accepted = slices.DeleteFunc(c.accepted, func(p schemas.Position) bool { return p == schemas.Position(e.Outcome.Position) })
	}
}

// forgotten: the push's id was drawn, and whatever was pushed under it has ended.
func (c *check) forgotten(b *schemas.Pushed) bool {
	u, id := c.state.Users[userKey], schemas.IDFrom(b.PushId)
	if b.Name != "n" || u == nil {
		return b.Name == "n"
	}
	if _, known := u.Recent[id]; known {
		return false
	}
	same := func(p *mailbox.Push) bool { return p.ID == id && p.Never == 0 }
	return !slices.ContainsFunc(u.Pushes, same) &&
		!slices.ContainsFunc(u.Waiting, func(x mailbox.Waiting) bool { return same(x.Push) })
}

// watched: a worker that has read everything and said everything has a timer for
// whatever is still open, and knows what the log says.
func (c *check) watched(k *worker) {
	if k.dead || k.core == nil || k.next < len(c.w.log) || len(k.out.queue) > 0 || !k.core.Active() {
		return
	}
	if k.state.Absent() > 0 {
		c.absentFrom(k)
		return
	}
	if pos := k.core.Stranded(); pos != 0 {
		c.w.fail("worker %d will never end %v", k.id, pos)
	}
	if c.w.rnd.IntN(32) == 0 {
		c.same("a worker", k.state)
	}
}
