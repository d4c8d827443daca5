package delivery

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// decision is an event of this worker's term; device may be empty.
func (c *Core) decision(u *mailbox.User, kind schemas.Kind, device string) *schemas.Event {
	return &schemas.Event{Kind: kind, App: u.App, User: u.Name, Device: device, Term: uint64(c.term)}
}

func span(p *mailbox.Push) []byte {
	if p.Span == [8]byte{} {
		return nil
	}
	return p.Span[:]
}

// endWhole puts out the outcome of the push as a whole, once in a term.
func (c *Core) endWhole(u *mailbox.User, p *mailbox.Push, class schemas.Class, reason schemas.Reason) {
	if c.endingWhole(p) != 0 {
		return
	}
	p.Ending.Term, p.Ending.Class = c.term, class
	e := c.outcome(u, p, "", class, reason)
	for i := range p.Copies {
		steps(e.Outcome, &p.Copies[i])
		e.Outcome.Attempt = max(e.Outcome.Attempt, p.Copies[i].Attempt)
		if p.Copies[i].Owed && e.Outcome.Platform == "" {
			e.Outcome.Platform = u.Devices[i].Platform
		}
	}
	c.decisions = append(c.decisions, e)
}

// endCopy puts out the outcome for one device. The first delivery is at the
// same time the outcome of the push as a whole: one record says both.
func (c *Core) endCopy(u *mailbox.User, p *mailbox.Push, i int, class schemas.Class, reason schemas.Reason) {
	cp, d := &p.Copies[i], &u.Devices[i]
	if c.ending(cp) && !c.faults.SaysTwice {
		return
	}
	c.worked(cp).Ending = class
	e := c.outcome(u, p, d.Name, class, reason)
	o := e.Outcome
	steps(o, cp)
	o.Attempt, o.Platform = cp.Attempt, d.Platform
	if class == delivered {
		e.SetConn(cp.AckConn)
		if p.End == 0 && !p.Delivered && c.endingWhole(p) == 0 {
			p.Ending.Term, p.Ending.Class = c.term, delivered
			o.Whole = true
		}
	}
	c.decisions = append(c.decisions, e)
}

func (c *Core) outcome(u *mailbox.User, p *mailbox.Push, device string, class schemas.Class, reason schemas.Reason) *schemas.Event {
	x := c.lent.end()
	e, o := &x.event, &x.outcome
	e.Kind, e.App, e.User, e.Device, e.Term = schemas.Kind_KIND_OUTCOME, u.App, u.Name, device, uint64(c.term)
	e.TraceId, e.ParentSpan, e.Outcome = p.Trace[:], span(p), o
	o.Position, o.PushId, o.Class, o.Reason = uint64(p.Pos), p.ID[:], class, reason
	o.Steps, x.steps.Accepted = &x.steps, p.Accepted
	o.Label, o.Family, o.Command, o.Name = p.Label, p.Family, p.Command, p.Name
	o.First, o.Pushed = uint64(p.First), uint64(p.Pushed)
	if i := u.Device(device); i >= 0 && device != "" {
		x.session = u.Devices[i].Session
		e.Session = x.session[:]
	}
	return e
}

// steps takes over the earlier of each step's times. A copy that was only
// acknowledged was dispatched and sent all the same; those times stay unknown.
// What did not end as delivered has no such step, whatever a cursor said.
func steps(o *schemas.Outcome, cp *mailbox.Copy) {
	s := o.Steps
	earlier(&s.Dispatched, cp.Dispatched)
	earlier(&s.Sent, cp.Sent)
	if o.Class == delivered {
		earlier(&s.Delivered, cp.AckTime)
		earlier(&s.Opened, cp.Opened)
	}
}

func earlier(to *int64, at int64) {
	if at > 0 && (*to == 0 || at < *to) {
		*to = at
	}
}
