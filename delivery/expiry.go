package delivery

import (
	"bytes"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// A session whose device is away longer than its app's policy allows ends. No
// timer runs for each: a user who is away costs nothing here. The core knows
// when the first of all expires, and looks at everybody then, but not more often
// than once in awayEvery: an expiry comes up to that much later.
const awayEvery = 10_000_000 // microseconds

// expires is the broker time after which the session of a device that is away
// is over; 0 = never, or it is not away.
func (c *Core) expires(u *mailbox.User, d *mailbox.Device) int64 {
	if d.Connected() || !d.Live || d.Progress == 0 {
		return 0
	}
	expiry := c.policy(u).SessionExpiry.Microseconds()
	if expiry <= 0 {
		return 0
	}
	return d.Progress + expiry
}

// expire ends the session of a device that is away for too long, and else sees
// to it that somebody looks when it will be.
func (c *Core) expire(u *mailbox.User, w *userWork, d *mailbox.Device) {
	switch at := c.expires(u, d); {
	case at == 0:
	case at > c.now:
		c.lookAway(at)
	default:
		c.endSession(u, w, d, schemas.Reason_REASON_SESSION_EXPIRED)
	}
}

// lookAway has everybody looked at, at that broker time or a little later.
func (c *Core) lookAway(at int64) {
	c.away = sooner(c.away, max(at, c.looked+awayEvery))
}

// lookAtAway marks the users of whom a device is away for too long.
func (c *Core) lookAtAway() {
	if c.away == 0 || c.away > c.now {
		return
	}
	c.away, c.looked = 0, c.now
	for _, u := range c.state.Users {
		for i := range u.Devices {
			switch at := c.expires(u, &u.Devices[i]); {
			case at == 0:
			case at > c.now:
				c.lookAway(at)
			default:
				c.mark(u).all = true
			}
		}
	}
}

// endSession says that the device's session is over.
func (c *Core) endSession(u *mailbox.User, w *userWork, d *mailbox.Device, reason schemas.Reason) {
	if !w.once(askKey{kind: schemas.Kind_KIND_SESSION_ENDED, id: d.Session}) {
		return
	}
	e := c.decision(u, schemas.Kind_KIND_SESSION_ENDED, d.Name)
	e.Session = bytes.Clone(d.Session[:])
	e.SessionEnded = &schemas.SessionEnded{Session: e.Session, Reason: reason}
	c.decisions = append(c.decisions, e)
}
