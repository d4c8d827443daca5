package sim

import (
	"slices"

	"waybill/delivery"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// sessionEnded: for a reason that is one.
func (c *check) sessionEnded(e *schemas.Event) {
	reason := e.SessionEnded.Reason
	c.w.stats.Reasons[reason]++
	session := schemas.IDFrom(e.SessionEnded.Session)
	switch reason {
	case schemas.Reason_REASON_REVOKED:
		if !covered(c.w.revocations, e.Device, ticket{session: session, began: c.began[session]}) {
			c.w.fail("session %s is revoked by nobody", short(session))
		}
	case schemas.Reason_REASON_IDENTIFIED:
		if !slices.Contains(c.identified, session) {
			c.w.fail("session %s is identified by nobody", short(session))
		}
	case schemas.Reason_REASON_LOGGED_OUT:
		if !slices.Contains(c.left, session) {
			c.w.fail("nobody has logged out of session %s", short(session))
		}
	case schemas.Reason_REASON_SESSION_EXPIRED:
		if len(c.w.policies) == 0 && c.w.settings.Policy.SessionExpiry == 0 {
			c.w.fail("session %s expires, and none does", short(session))
		}
	}
}

// facts about sessions, from the log alone.
func (c *check) facts(e *schemas.Event) {
	session := schemas.IDFrom(e.Session)
	switch {
	case e.Connected != nil:
		c.began[session] = e.Connected.SessionTime
	case e.Identified != nil:
		c.identified = append(c.identified, session)
	case e.Disconnected.GetReason() == schemas.Reason_REASON_LOGGED_OUT:
		c.left = append(c.left, session)
	}
}

// sessions: when all is read, none lives that must not.
func (c *check) sessions(u *mailbox.User) {
	for i := range u.Devices {
		d := &u.Devices[i]
		switch {
		case !d.Live:
		case covered(c.w.revocations, d.Name, ticket{session: d.Session, began: d.SessionTime}):
			c.w.fail("session %s of device %s is revoked and lives", short(d.Session), d.Name)
		case slices.Contains(c.identified, d.Session):
			c.w.fail("session %s of device %s is identified and lives", short(d.Session), d.Name)
		}
	}
}

// policy: of two devices that may not stay logged in both, one has gone.
func (c *check) policy(u *mailbox.User) {
	if len(u.Devices) < 2 {
		return
	}
	a, b := &u.Devices[0], &u.Devices[1]
	p := c.w.policy()
	one := p.Devices == schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER ||
		p.Devices == schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_PLATFORM && a.Platform == b.Platform
	if one && a.Live && b.Live && a.Connected() && b.Connected() && a.Resumed && b.Resumed && a.LoginAt != b.LoginAt {
		c.w.fail("both devices stay logged in, and the policy allows one")
	}
}

// policy that came last.
func (w *world) policy() delivery.Policy {
	if n := len(w.policies); n > 0 {
		return w.policies[n-1][app]
	}
	return w.settings.Policy
}

// unreached is said once for each push.
func (c *check) unreached(e *schemas.Event) {
	pos := schemas.Position(e.Unreached.Position)
	if slices.Contains(c.alone, pos) {
		c.w.fail("%v is said to be unreached twice", pos)
	}
	c.alone = append(c.alone, pos)
	c.w.stats.Unreached++
}

// told: what nobody could take for long enough has been said to be unreached.
func (c *check) told(u *mailbox.User) {
	after := c.w.policy().UnreachedAfter.Microseconds()
	if after == 0 {
		return
	}
	for _, p := range u.Pushes {
		taken := false
		for i := range u.Devices {
			d, cp := &u.Devices[i], p.Copy(i)
			taken = taken || p.For(d.Name) && (d.Connected() || cp.Routed)
		}
		if !taken && !p.Unreached && p.End == 0 && p.Ask == 0 && !p.Delivered && !p.Unconfirmed && c.w.clock < p.Dead {
			c.w.fail("%v waits for nobody, and that has not been said", p.Pos)
		}
	}
}
