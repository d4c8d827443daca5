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
}

// DefaultExpiry is Policy.SessionExpiry of an app that chose none.
const DefaultExpiry = 30 * 24 * time.Hour

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
	p := &schemas.AppPolicy{}
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
	return Policy{Devices: p.GetDevices(), SessionExpiry: expiry}
}

// Policy of the app.
func (a *App) Policy() Policy { return policyOf(a.record.GetPolicy()) }

// Policies of all apps by their names, and a channel that is closed when they
// may be others. Nobody changes the map.
func (v *View) Policies() (now map[string]Policy, changed <-chan struct{}) {
	s := v.state.Load()
	return s.policies, s.replaced
}
