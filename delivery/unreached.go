package delivery

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// A push that waits while nobody is connected who could take it is said to be
// unreached, once, so that its app-server may take another way (APNs, FCM). It
// ends nothing: whoever connects later gets the push all the same.

// unreachedAt is the broker time at which the push has waited without anybody
// for as long as its app's policy says; 0 = it waits for somebody who is
// connected, has been dispatched, has ended, or it has been said.
func (c *Core) unreachedAt(u *mailbox.User, p *mailbox.Push) int64 {
	if p.Unreached || p.Never != 0 || p.Ask != 0 || p.End != 0 || p.Delivered || p.Unconfirmed || p.Ending.Unreached == c.term {
		return 0
	}
	alone := p.Since
	for i := range u.Devices {
		d := &u.Devices[i]
		if !p.For(d.Name) {
			continue
		}
		if i < len(p.Copies) && c.dispatched(p, &p.Copies[i]) || d.Connected() && c.gates.Usable(d.Conn) {
			return 0
		}
		if !d.Connected() {
			alone = max(alone, d.Progress)
		}
	}
	after := c.policy(u).UnreachedAfter.Microseconds()
	if after <= 0 {
		return 0
	}
	return alone + after
}

// sayUnreached puts it out when the time has come. A push that is late ends
// instead: one that was due at once says nothing besides its outcome.
func (c *Core) sayUnreached(u *mailbox.User, p *mailbox.Push) {
	at := c.unreachedAt(u, p)
	if at == 0 || at > c.now || c.now > p.Dead || c.endingWhole(p) != 0 {
		return
	}
	p.Ending.Unreached = c.term
	e := c.decision(u, schemas.Kind_KIND_UNREACHED, p.Device)
	e.TraceId, e.ParentSpan = p.Trace[:], span(p)
	e.Unreached = &schemas.Unreached{
		Position: uint64(p.Pos), PushId: p.ID[:], Name: p.Name, Label: p.Label, Family: p.Family, Command: p.Command,
	}
	c.decisions = append(c.decisions, e)
}
