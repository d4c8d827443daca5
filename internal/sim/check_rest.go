package sim

import (
	"waybill/internal/mailbox"
)

// rest checks what must be true when nothing moves any more.
func (c *check) rest(p phase, last int) {
	c.bounded()
	if u := c.state.Users[userKey]; u != nil {
		c.sessions(u)
		if p == quiet && c.w.trouble.has(longTTL) {
			c.told(u)
		}
		if p == reconnect {
			c.policy(u)
		}
	}
	if p != quiet || c.w.trouble.has(longTTL) {
		// A push whose ttl is over while nobody decides may hold back the rest of
		// its device for an ack timer more: it may have been dispatched.
		c.ears(p, last)
		c.delivered(p)
	}
	if p == late {
		c.accounted()
	}
	if p == reconnect {
		c.agree()
	}
	if p == reconnect && c.w.devices[0].kicked && c.w.devices[1].kicked && !c.w.restored && len(c.w.devices) == 2 {
		c.w.fail("both devices are kicked")
	}
}

// bounded: nothing is left that somebody had to end.
func (c *check) bounded() {
	u := c.state.Users[userKey]
	if u == nil {
		return
	}
	for _, x := range u.Closing {
		if !c.w.current[x.Conn.Gate-1].exited { // else nobody is left to say that it is gone
			c.w.fail("%v should be closed and is not", x)
		}
	}
	for _, p := range u.Pushes {
		for i := range p.Copies {
			if x := &p.Copies[i]; x.Open() && x.Tries >= 5 {
				c.w.fail("%v was given up and blocks the rest", p.Pos)
			}
		}
	}
}

// ears: whoever wants a connection has one and hears.
func (c *check) ears(p phase, last int) {
	u := c.state.Users[userKey]
	for _, d := range c.w.devices {
		if d.hung {
			c.zombie(d)
			continue
		}
		if d.away() || c.w.missing && p == late || d.cloned() && d.conn == nil {
			continue
		}
		j := u.Device(d.name)
		if d.conn == nil || j < 0 || u.Devices[j].Conn != d.conn.id() || !d.conn.resumed {
			c.w.fail("device %s is connected and deaf (%s)", d.name, p)
			return
		}
		if p == lastPush && !c.seen(d.index, position(last)) {
			c.w.fail("device %s is connected and deaf: the last push does not arrive", d.name)
		}
		if p == reconnect && len(c.gaps[d.index]) > 0 {
			c.w.fail("device %s was not told that %v overflowed", d.name, c.gaps[d.index])
		}
	}
}

// zombie: a connection on which something was sent and nothing is acknowledged is
// closed; it must not wait for a reconnect that never comes.
func (c *check) zombie(d *device) {
	u := c.state.Users[userKey]
	i := u.Device(d.name)
	if i < 0 || !u.Devices[i].Connected() {
		return
	}
	for _, p := range u.Pushes {
		if cp := p.Copy(i); cp.Open() && !cp.Acked && cp.SentAt > 0 && cp.AttemptConn == u.Devices[i].Conn && c.w.clock-cp.SentAt > second*60 {
			c.w.fail("device %s hangs, and its connection waits for %v for ever", d.name, p.Pos)
		}
	}
}

// delivered: what a connected device can take has arrived before any ttl is over.
func (c *check) delivered(p phase) {
	u := c.state.Users[userKey]
	if u == nil || p != quiet {
		return
	}
	for i := range u.Devices {
		d, phone := &u.Devices[i], c.w.heardBy(u.Devices[i].Conn)
		if phone == nil || phone.hung {
			continue
		}
		for _, p := range u.Pushes {
			if cp := p.Copy(i); cp.Open() && !cp.Acked && p.Dead > c.w.clock {
				c.w.fail("%v does not arrive at device %s, which is connected", p.Pos, d.Name)
			}
		}
	}
}

// accounted: no push without an outcome once its time is over.
func (c *check) accounted() {
	u := c.state.Users[userKey]
	if u == nil {
		return
	}
	for _, p := range u.Pushes {
		c.w.fail("%v has no outcome: %s", p.Pos, p.End.Word())
	}
	for _, x := range u.Waiting {
		c.w.fail("%v waits and is due", x.Push.Pos)
	}
}

// agree: all readers of the log have the same fold, also those that started
// from a snapshot.
func (c *check) agree() {
	w := c.w
	c.same("the projector", w.projector.state)
	c.same("the snapshot", w.projector.load(0).state)
	if c.late.state != nil {
		for c.late.next < len(w.log) {
			if pos, r, fresh := c.late.take(w); fresh {
				c.late.state.Apply(pos, r.at, r.event)
			}
		}
		c.same("a reader that started late", c.late.state)
	}
}

// snapshot: what was stored just now is what was folded.
func (c *check) snapshot() {
	if c.w.off.has(remembers) {
		return
	}
	p := c.w.projector
	if err := mailbox.Same(p.state, p.load(c.w.off).state); err != nil {
		c.w.fail("the snapshot differs: %v", err)
	}
}

func (c *check) same(name string, s *mailbox.State) {
	if c.w.off.has(remembers) {
		return
	}
	if err := mailbox.Same(c.state, s); err != nil {
		c.w.fail("%s differs: %v", name, err)
	}
}
