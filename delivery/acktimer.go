package delivery

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// ackDue is the broker time after which the device's connection has owed an
// acknowledgement for too long; 0 = the timer does not run. It runs for the
// oldest push in flight, from its sent or from the last sign of progress;
// received stops it, up to the handling limit.
func (c *Core) ackDue(u *mailbox.User, i int) int64 {
	d := &u.Devices[i]
	if !d.Connected() {
		return 0
	}
	for _, p := range u.Unswept(i) {
		if i >= len(p.Copies) {
			continue
		}
		cp := &p.Copies[i]
		if !cp.Open() || cp.Acked || p.Pos <= d.Base {
			continue
		}
		if cp.SentAt == 0 || cp.AttemptConn != d.Conn {
			return 0 // no sent is known: the gate's lease judges
		}
		limit := c.set.AckTimer
		if d.Received == p.Pos {
			limit = c.set.Handling
		}
		return max(max(cp.SentAt, d.Progress)+limit.Microseconds(), c.graceOf(d.Conn)) + 1
	}
	return 0
}

// graceOf the connection: the time before which its ack timer does not run out.
func (c *Core) graceOf(conn schemas.ConnID) int64 {
	if c.faults.NoGrace {
		return 0
	}
	return max(c.grace, c.gates.AckGrace(conn))
}

// Prove tells that the partition has taken writes since broker time at, and that
// they have been read: what devices acknowledged by then is not stuck on its way
// into the log. Ack timers that ran out by then are judged.
func (c *Core) Prove(at int64) {
	c.proved = max(c.proved, at)
	c.lookAtDoubts()
}

// InDoubt is the key of a user of whom an ack timer has run out that waits for
// Prove; "" = nobody's.
func (c *Core) InDoubt() string {
	for len(c.doubts) > 0 {
		w := c.doubts[0]
		if c.doubted(w) {
			return w.user.Key
		}
		w.doubt, c.doubts[0], c.doubts = false, nil, c.doubts[1:]
		c.mark(w.user) // its timer runs again, perhaps
	}
	return ""
}

// doubted says of one of the user's devices that series would note a doubt.
func (c *Core) doubted(w *userWork) bool {
	for i := range w.user.Devices {
		d := &w.user.Devices[i]
		if at := c.ackDue(w.user, i); at > c.proved && at <= c.now && c.gates.Usable(d.Conn) && !w.closed[d.Conn] {
			return true
		}
	}
	return false
}

func (c *Core) noteDoubt(w *userWork) {
	if !w.doubt {
		w.doubt = true
		c.doubts = append(c.doubts, w)
	}
}

// lookAtDoubts has everybody looked at whose ack timer ran out.
func (c *Core) lookAtDoubts() {
	for _, w := range c.doubts {
		w.doubt = false
		c.mark(w.user)
	}
	c.doubts = nil
}
