package control

import (
	"fmt"
	"strings"
	"time"

	"waybill/schemas"
)

// Policy is what an app asks of its users' sessions.
type Policy struct {
	// Devices that a user may have logged in at once; default as many as there are.
	Devices schemas.DevicePolicy
	// SessionExpiry ends the session of a device that had no connection for so
	// long; default 30 days.
	SessionExpiry time.Duration
	// UnreachedAfter is how long a push waits, and nobody is connected who could
	// take it, until its app-server is told; 0 = it is not told; default 3 s.
	UnreachedAfter time.Duration
	// Anonymous lets in devices whose token names no user, as anon:<device>;
	// default no.
	Anonymous bool
}

// DefaultExpiry is Policy.SessionExpiry of an app that chose none.
const DefaultExpiry = 30 * 24 * time.Hour

// DefaultUnreached is Policy.UnreachedAfter of an app that chose none: a device
// that changes networks is back by then.
const DefaultUnreached = 3 * time.Second

// maxUnreached in milliseconds: nobody wants a fallback after an hour.
const maxUnreached = 3600 * 1000

// Bounds of session_expiry in seconds: a device that changes networks is away
// for a moment and must not log in for that; a year is longer than phones lie
// in drawers and come back.
const (
	minExpiry = 60
	maxExpiry = 365 * 24 * 3600
)

// devicePolicies by their words in the file.
var devicePolicies = map[string]schemas.DevicePolicy{
	"many":             schemas.DevicePolicy_DEVICE_POLICY_MANY,
	"one_per_user":     schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER,
	"one_per_platform": schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_PLATFORM,
}

// policy of the file; nil where the defaults hold, so that an app which names
// them is the same app as one that says nothing.
func (c *checker) policy(at string, f *filePolicy) *schemas.AppPolicy {
	if f == nil {
		return nil
	}
	p := &schemas.AppPolicy{Anonymous: f.Anonymous}
	if f.Devices != "" {
		devices, known := devicePolicies[f.Devices]
		if p.Devices = devices; !known {
			c.wrong(at+".devices", fmt.Sprintf("is %q", f.Devices), strings.Join(deviceWords(), ", "))
		}
	}
	if f.Expiry != nil {
		p.SessionExpiry = *f.Expiry
		if *f.Expiry < minExpiry || *f.Expiry > maxExpiry {
			c.wrong(at+".session_expiry", fmt.Sprintf("is %d", *f.Expiry), fmt.Sprintf("%d to %d seconds", minExpiry, maxExpiry))
		}
	}
	if f.Unreached != nil {
		if p.UnreachedAfter = *f.Unreached; *f.Unreached == 0 {
			p.UnreachedAfter = -1
		}
		if *f.Unreached < 0 || *f.Unreached > maxUnreached {
			c.wrong(at+".unreached_after", fmt.Sprintf("is %d", *f.Unreached), fmt.Sprintf("0 (it is not said) to %d milliseconds", maxUnreached))
		}
	}
	outcomes(p, f.Outcomes)
	if policyOf(p) == policyOf(nil) && p.OutcomesSince == 0 {
		return nil
	}
	return p
}

// deviceWords in the order of their numbers.
func deviceWords() []string {
	words := make([]string, len(devicePolicies))
	for word, n := range devicePolicies {
		words[n] = word
	}
	return words
}

// policyOf fills in what the record leaves open.
func policyOf(p *schemas.AppPolicy) Policy {
	expiry := time.Duration(p.GetSessionExpiry()) * time.Second
	if expiry <= 0 {
		expiry = DefaultExpiry
	}
	unreached := time.Duration(p.GetUnreachedAfter()) * time.Millisecond
	switch {
	case unreached == 0:
		unreached = DefaultUnreached
	case unreached < 0:
		unreached = 0
	}
	return Policy{Devices: p.GetDevices(), SessionExpiry: expiry, UnreachedAfter: unreached, Anonymous: p.GetAnonymous()}
}

// Policy of the app.
func (a *App) Policy() Policy { return policyOf(a.record.GetPolicy()) }

// Anonymous says whether the app lets in devices whose token names no user.
func (v *View) Anonymous(app string) bool {
	a, known := v.App(app)
	return known && a.Policy().Anonymous
}

// Policies of all apps by their names, and a channel that is closed when they
// may be others. Nobody changes the map.
func (v *View) Policies() (now map[string]Policy, changed <-chan struct{}) {
	s := v.state.Load()
	return s.policies, s.replaced
}
