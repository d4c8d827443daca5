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
