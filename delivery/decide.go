package delivery

import (
	"bytes"
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

const (
	delivered   = schemas.Class_CLASS_DELIVERED
	withdrawn   = schemas.Class_CLASS_WITHDRAWN
	lost        = schemas.Class_CLASS_LOST
	unconfirmed = schemas.Class_CLASS_UNCONFIRMED
)

// decideAll puts out the decisions that the user's state asks for. What is
// under way (said in this term and not read back) is not said again.
func (c *Core) decideAll(u *mailbox.User, w *userWork) {
	w.grow(u)
	clear(w.owed)
	w.kick = 0
	w.open, w.next, w.seen, w.all, w.exact = 0, 0, 0, false, true
	for _, p := range u.Pushes {
		c.decideNext(u, w, p)
	}
	for i := range u.Waiting {
		w.next = sooner(w.next, c.later(u.Waiting[i].Due))
		c.release(u, &u.Waiting[i])
	}
	for i := range u.Devices {
		c.decideDevice(u, w, i)
	}
	w.next = sooner(w.next, c.later(w.kick))
	c.endTooMany(u, w)
	c.buryClosing(u, w)
}

// decideSome is decideAll where only these pushes have changed: of the others,
// each decision would be the same. New ones come last, so what is counted then
// stands before them. For one that is not new that is not known, nor is it
// needed, but in rare cases: then everything is looked at.
func (c *Core) decideSome(u *mailbox.User, w *userWork, touched []*mailbox.Push) {
	w.grow(u)
	full := c.bothFull(w)
	for _, p := range touched {
		counted := p.Ending.Counted
		w.uncount(p)
		if !p.Over() {
			w.exact = p.Pos > w.seen
			c.decideNext(u, w, p)
		}
		w.all = w.all || full && counted && (p.Over() || !p.Ending.Counted)
	}
	if w.all {
		c.decideAll(u, w)
	}
	if len(u.Pushes)+len(u.Waiting) == 0 {
		w.next = c.later(w.kick)
	}
}

// bothFull: the mailbox is full and a device's own backlog as well. When the
// mailbox is not any more, pushes may be too many for the device alone.
func (c *Core) bothFull(w *userWork) bool {
	return w.open >= c.set.Mailbox && slices.ContainsFunc(w.owed, func(n int) bool { return n >= c.set.Mailbox })
}

// decideNext decides on one push and goes past it.
func (c *Core) decideNext(u *mailbox.User, w *userWork, p *mailbox.Push) {
	c.decidePush(u, w, p)
	c.count(w, p)
	c.await(w, p)
	w.seen = max(w.seen, p.Pos)
}

// tooMany says that n is over the mailbox's bound. It is asked only of what
// would otherwise wait.
func (c *Core) tooMany(w *userWork, n int) bool {
	if n >= c.set.Mailbox && !w.exact {
		w.all = true
		return false
	}
	return n >= c.set.Mailbox
}

// decidePush ends the push for each device and as a whole.
func (c *Core) decidePush(u *mailbox.User, w *userWork, p *mailbox.Push) {
	if p.Never != 0 {
		if p.End == 0 {
			c.endWhole(u, p, neverClass(p.Never), p.Never)
		}
		return
	}
	if c.endsUndelivered(p) {
		return // it ends for every device with that
	}
	far := c.decideCopies(u, w, p)
	if p.End != 0 || c.endingWhole(p) != 0 {
		return
	}
	if p.Delivered {
		c.endWhole(u, p, delivered, schemas.Reason_REASON_ACKED)
		return
	}
	if !far.open {
		c.decideWhole(u, w, p, far)
		c.sayUnreached(u, p)
	}
}

// reach is how far a push has come with all devices.
type reach struct {
	dispatched bool // to any
	open       bool // to one that has no outcome for it yet, or whose outcome is under way
}

func (c *Core) decideCopies(u *mailbox.User, w *userWork, p *mailbox.Push) (far reach) {
	for i := range p.Copies {
		cp := &p.Copies[i]
		disp := c.dispatched(p, cp)
		far.dispatched = far.dispatched || disp
		if cp.Open() {
			c.decideCopy(u, w, p, i)
			far.open = far.open || disp || c.ending(cp)
		}
	}
	if c.faults.CancelsDispatched && p.Ask == schemas.Reason_REASON_CANCELED {
		return reach{}
	}
	return far
}

// decideWhole ends a push that no device may still deliver.
func (c *Core) decideWhole(u *mailbox.User, w *userWork, p *mailbox.Push, far reach) {
	never := !far.dispatched && !p.Unconfirmed // certainly nobody has seen it
	switch late := c.now > p.Dead; {
	case never && p.Ask != 0:
		c.endWhole(u, p, withdrawn, p.Ask)
	case late && p.Unconfirmed:
		c.endWhole(u, p, unconfirmed, unconfirmedReason(p))
	case late:
		c.endWhole(u, p, lost, lateReason(p))
	case never && c.tooMany(w, w.open):
		c.endWhole(u, p, lost, schemas.Reason_REASON_OVERFLOW)
	}
}

// endsUndelivered says that an outcome as a whole is under way that is no
// delivery.
func (c *Core) endsUndelivered(p *mailbox.Push) bool {
	end := c.endingWhole(p)
	return end != 0 && end != delivered && p.End == 0
}

// decideCopy ends the push for one device.
func (c *Core) decideCopy(u *mailbox.User, w *userWork, p *mailbox.Push, i int) {
	cp := &p.Copies[i]
	disp, late := c.dispatched(p, cp), c.now > p.Dead
	switch {
	case cp.Acked && disp:
		c.endCopy(u, p, i, delivered, schemas.Reason_REASON_ACKED)
	case p.FirstWins && p.Delivered && !disp:
		// What was dispatched may be seen, and waits for its own device's word.
		c.endCopy(u, p, i, withdrawn, schemas.Reason_REASON_DELIVERED_ELSEWHERE)
	case c.tries(u, cp, i) >= poisonAfter && disp:
		c.endCopy(u, p, i, unconfirmed, schemas.Reason_REASON_POISON)
	case late && disp && c.unheard(&u.Devices[i], p, cp):
		c.endCopy(u, p, i, unconfirmed, copyReason(cp))
	case late && !disp && (p.End != 0 || c.elsewhere(p, i)):
		c.endCopy(u, p, i, lost, schemas.Reason_REASON_EXPIRED)
	case c.tooLarge(u, p, i):
		class := lost
		if disp {
			class = unconfirmed // an earlier connection may have taken it
		}
		c.endCopy(u, p, i, class, schemas.Reason_REASON_TOO_LARGE)
	case !disp && c.tooMany(w, w.owed[i]) && !c.tooMany(w, w.open):
		// Its backlog fills no mailbox but its own: others got those pushes.
		c.endCopy(u, p, i, lost, schemas.Reason_REASON_OVERFLOW)
	}
}

// unheard: a late push that was dispatched has had an ack timer's time for the
// device's word, or need not wait for it.
func (c *Core) unheard(d *mailbox.Device, p *mailbox.Push, cp *mailbox.Copy) bool {
	return c.now > p.Dead+c.set.AckTimer.Microseconds() || c.leftBehind(d, p, cp)
}

// leftBehind: the connection on which the push was dispatched is gone, and the
// cursor with which the device came back lies below it. Waiting for its word
// would only keep the device from what is not late.
func (c *Core) leftBehind(d *mailbox.Device, p *mailbox.Push, cp *mailbox.Copy) bool {
	conn := cp.AttemptConn
	if cp.Work.Term == c.term && !cp.Work.Conn.IsZero() {
		conn = cp.Work.Conn
	}
	return d.Connected() && p.Pos > d.Base && !conn.IsZero() && conn != d.Conn
}

// elsewhere: another device may still take the push, so it does not end as a
// whole yet; this one need not wait for that.
func (c *Core) elsewhere(p *mailbox.Push, i int) bool {
	for j := range p.Copies {
		if cp := &p.Copies[j]; j != i && cp.Open() && c.dispatched(p, cp) {
			return true
		}
	}
	return false
}

// tooLarge: the device's connection does not take the frame.
func (c *Core) tooLarge(u *mailbox.User, p *mailbox.Push, i int) bool {
	limit := u.Devices[i].MaxFrame
	return limit > 0 && len(p.Body)+pushPrefix > int(limit)
}

// pushPrefix is what a push frame carries before its body: position, push id.
const pushPrefix = 24

func neverClass(r schemas.Reason) schemas.Class {
	if r == schemas.Reason_REASON_ID_REUSED {
		return lost
	}
	return withdrawn
}

func lateReason(p *mailbox.Push) schemas.Reason {
	for i := range p.Copies {
		if p.Copies[i].Routed {
			return schemas.Reason_REASON_EXPIRED
		}
	}
	return schemas.Reason_REASON_NEVER_CONNECTED
}

func copyReason(cp *mailbox.Copy) schemas.Reason {
	if cp.Sent > 0 {
		return schemas.Reason_REASON_SENT_UNACKED
	}
	return schemas.Reason_REASON_NEVER_SENT
}

func unconfirmedReason(p *mailbox.Push) schemas.Reason {
	for i := range p.Copies {
		if p.Copies[i].Sent > 0 {
			return schemas.Reason_REASON_SENT_UNACKED
		}
	}
	return schemas.Reason_REASON_NEVER_SENT
}

// dispatched says whether the push counts as dispatched to the device: this
// worker did it, or it is older than the worker's claim and the device had a
// route since it was due, so a former worker may have.
func (c *Core) dispatched(p *mailbox.Push, cp *mailbox.Copy) bool {
	return cp.Work.Term == c.term && cp.Work.Dispatched || p.Pos < c.term && cp.Routed && !c.faults.ForgetsDispatched
}

// ending says that an outcome for the device is under way.
func (c *Core) ending(cp *mailbox.Copy) bool {
	return cp.Work.Term == c.term && cp.Work.Ending != 0
}

// endingWhole is the class of an outcome as a whole that is under way; 0 = none.
func (c *Core) endingWhole(p *mailbox.Push) schemas.Class {
	if p.Ending.Term != c.term {
		return 0
	}
	return p.Ending.Class
}

// worked is the copy's work of this term.
func (c *Core) worked(cp *mailbox.Copy) *mailbox.Work {
	if cp.Work.Term != c.term {
		cp.Work = mailbox.Work{Term: c.term, Counted: cp.Work.Counted}
	}
	return &cp.Work
}

// release makes a deliver at due.
func (c *Core) release(u *mailbox.User, x *mailbox.Waiting) {
	if x.Due > c.now || x.Asked == c.term {
		return
	}
	x.Asked = c.term
	e := c.decision(u, schemas.Kind_KIND_RELEASED, "")
	e.TraceId, e.ParentSpan = x.Push.Trace[:], span(x.Push)
	e.Released = &schemas.Released{Position: uint64(x.Push.Pos)}
	c.decisions = append(c.decisions, e)
}

// decideDevice ends routes whose gate is gone, sessions that were left, revoked or
// whose device is away for too long, and older devices where the app's policy allows
// only one.
func (c *Core) decideDevice(u *mailbox.User, w *userWork, i int) {
	d := &u.Devices[i]
	if d.Connected() {
		switch {
		case c.gates.Replaced(d.Conn):
			c.endRoute(u, w, d.Name, d.Conn, schemas.Reason_REASON_GATE_REPLACED)
		case c.gates.Silent(d.Conn):
			c.endRoute(u, w, d.Name, d.Conn, schemas.Reason_REASON_GATE_SILENT)
		}
	}
	if d.Live && d.Leaving != 0 {
		c.endSession(u, w, d, d.Leaving)
	}
	c.revoke(u, w, d)
	c.expire(u, w, d)
	c.kickOlder(u, w, d)
}

// kickOlder ends the sessions of devices that logged in before d and may not
// stay beside it, once d has acknowledged resumed: a stalled gate's late event
// must not kick the living. Where devices kick each other again and again, d must
// stay connected for a while first, longer each time: a pair that fights wears
// out.
func (c *Core) kickOlder(u *mailbox.User, w *userWork, d *mailbox.Device) {
	if len(u.Devices) == 1 || !d.Connected() || !d.Resumed && !c.faults.KicksEarly {
		return
	}
	policy, at := c.policy(u), d.Since+mailbox.Damping(u.Kicks(c.now)+1)
	for j := range u.Devices {
		o := &u.Devices[j]
		if o == d || !o.Live || o.LoginAt >= d.LoginAt || !policy.excludes(d, o) {
			continue
		}
		if at > c.now && at > d.Since {
			w.kick = sooner(w.kick, at)
			continue
		}
		if !w.once(askKey{kind: schemas.Kind_KIND_KICKED, id: o.Session}) {
			continue
		}
		e := c.decision(u, schemas.Kind_KIND_KICKED, o.Name)
		e.SetConn(d.Conn)
		e.Kicked = &schemas.Kicked{Session: bytes.Clone(o.Session[:]), Reason: schemas.Reason_REASON_KICKED}
		c.decisions = append(c.decisions, e)
	}
}

func (c *Core) endRoute(u *mailbox.User, w *userWork, device string, conn schemas.ConnID, reason schemas.Reason) {
	if !w.once(askKey{kind: schemas.Kind_KIND_ROUTE_ENDED, conn: conn, reason: reason}) {
		return
	}
	e := c.decision(u, schemas.Kind_KIND_ROUTE_ENDED, device)
	e.SetConn(conn)
	e.RouteEnded = &schemas.RouteEnded{Reason: reason}
	c.decisions = append(c.decisions, e)
}

// buryClosing says of closing connections whose gate has a newer incarnation
// that nothing is left to close.
func (c *Core) buryClosing(u *mailbox.User, w *userWork) {
	for i := range u.Closing {
		if x := &u.Closing[i]; c.gates.Replaced(x.Conn) {
			c.endRoute(u, w, x.Device, x.Conn, schemas.Reason_REASON_GATE_REPLACED)
		}
	}
}
