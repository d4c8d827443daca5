package mailbox

import "waybill/schemas"

// outcome closes a push for one device, as a whole, or both at once (its first
// delivery). The first outcome of an identity counts.
func (u *User) outcome(e *schemas.Event) {
	b := e.Outcome
	if b == nil {
		return
	}
	p := u.Push(schemas.Position(b.Position))
	if p == nil {
		return
	}
	u.note(p)
	if e.Device != "" {
		u.deviceOutcome(p, e.Device, b)
	}
	if (e.Device == "" || b.Whole) && p.End == 0 {
		p.End = b.Class
		u.wholeOutcome(p, b)
	}
	u.removeOver(p)
}

// deviceOutcome closes the debt of one device. An overflow of its own backlog is
// a gap that its next resumed will name.
func (u *User) deviceOutcome(p *Push, device string, b *schemas.Outcome) {
	i := u.Device(device)
	if i < 0 {
		return
	}
	c := p.Copy(i)
	if c.End != 0 {
		return
	}
	c.End = b.Class
	p.Delivered = p.Delivered || b.Class == schemas.Class_CLASS_DELIVERED
	p.Unconfirmed = p.Unconfirmed || b.Class == schemas.Class_CLASS_UNCONFIRMED
	if b.Reason == schemas.Reason_REASON_OVERFLOW && !b.Whole {
		u.Devices[i].overflowed(p.Pos)
	}
}

// wholeOutcome: unless it was a delivery, the end of the push is the end for
// every device that was still owed it.
func (u *User) wholeOutcome(p *Push, b *schemas.Outcome) {
	if b.Class == schemas.Class_CLASS_DELIVERED {
		return
	}
	for i := range p.Copies {
		c := &p.Copies[i]
		if !c.Open() {
			continue
		}
		c.End = b.Class
		if b.Reason == schemas.Reason_REASON_OVERFLOW {
			u.Devices[i].overflowed(p.Pos)
		}
	}
}

// unreached: it has been said that nobody is connected who could take the push.
// It waits on.
func (u *User) unreached(e *schemas.Event) {
	if p := u.Push(schemas.Position(e.Unreached.GetPosition())); p != nil && !p.Unreached {
		p.Unreached = true
		u.note(p)
	}
}

// overflowed notes a gap that the device's next resumed will say.
func (d *Device) overflowed(pos schemas.Position) {
	if d.GapTo == 0 {
		d.GapFrom = pos - 1
	}
	d.GapFrom, d.GapTo = min(d.GapFrom, pos-1), max(d.GapTo, pos)
	d.changed = true
}
