package delivery

import (
	"maps"
	"time"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Policy is what an app asks of its users' sessions.
type Policy struct {
	// Devices that a user may have logged in at once.
	Devices schemas.DevicePolicy
	// SessionExpiry ends the session of a device that had no connection for so
	// long; 0 = never.
	SessionExpiry time.Duration
	// UnreachedAfter is how long a push waits, and nobody is connected who could
	// take it, until that is said; 0 = it is not said.
	UnreachedAfter time.Duration
}

// Policies are those of the apps by their names; nobody changes them. One that
// is missing is Settings.Policy.
type Policies map[string]Policy

// SetPolicies puts other policies in force: they count for all decisions from
// now on. What stands in the log already stays.
func (c *Core) SetPolicies(now Policies) {
	before := c.policies
	c.policies = now
	if !c.active || maps.Equal(before, now) {
		return
	}
	c.away = max(c.now, 1)
	c.state.Rewake(c.wake)
	for _, u := range c.state.Users {
		is, was := c.policyOf(now, u.App), c.policyOf(before, u.App)
		if len(u.Devices) > 1 && is.Devices != was.Devices || len(u.Pushes) > 0 && is.UnreachedAfter != was.UnreachedAfter {
			c.mark(u).all = true
		}
	}
}

// policy of the user's app.
func (c *Core) policy(u *mailbox.User) Policy { return c.policyOf(c.policies, u.App) }

func (c *Core) policyOf(all Policies, app string) Policy {
	if p, ok := all[app]; ok {
		return p
	}
	return c.set.Policy
}

// excludes says that d's login does not let o stay logged in. A device that
// names no platform is of one with all that name none.
func (p Policy) excludes(d, o *mailbox.Device) bool {
	switch p.Devices {
	case schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER:
		return true
	case schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_PLATFORM:
		return d.Platform == o.Platform
	}
	return false
}
