package delivery

import (
	"slices"

	"waybill/internal/control"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// SetRevocations puts others in force. A live session that one of them covers
// ends, and so does each that is seen live later: a ticket that a gate took
// before it had read the revocation revives nothing.
func (c *Core) SetRevocations(now []control.Revocation) {
	if slices.Equal(now, c.revocations) {
		return
	}
	c.revocations, c.revoked = now, make(map[string][]control.Revocation, len(now))
	for _, r := range now {
		key := string(schemas.Key(r.App, r.User))
		c.revoked[key] = append(c.revoked[key], r)
	}
	if c.active {
		c.markRevoked()
	}
}

// markRevoked has those looked at whom revocations are about.
func (c *Core) markRevoked() {
	for key := range c.revoked {
		if u := c.rouse(key); u != nil {
			c.mark(u).all = true
		}
	}
}

// revoke ends the session of a device that may not go on.
func (c *Core) revoke(u *mailbox.User, w *userWork, d *mailbox.Device) {
	if !d.Live || len(c.revoked) == 0 {
		return
	}
	for _, r := range c.revoked[u.Key] {
		if r.Covers(u.App, u.Name, d.Name, d.Session, d.SessionTime) {
			c.endSession(u, w, d, r.Reason)
		}
	}
}
