package e2e

import (
	"bytes"
	"errors"
	"testing"

	"waybill/client"
	"waybill/internal/control"
	"waybill/schemas"
)

// One user's phones under each policy of the app, which changes while all of
// them are connected.
func TestDevicePolicies(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	login := func(device, platform string) *phone {
		p := w.phone("driver-1", device, func(c *client.Config) { c.Platform = platform })
		w.awaitConnected(p)
		return p
	}
	first, second := login("first", "android"), login("second", "android")
	w.pushesTo("many", first, second)

	w.setPolicy(schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER)
	first.awaitKick(t)
	third := login("third", "android")
	second.awaitKick(t)
	w.pushesTo("one_per_user", third)

	w.setPolicy(schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_PLATFORM)
	tablet := login("tablet", "ios")
	w.pushesTo("one_per_platform", third, tablet)
	fourth := login("fourth", "android")
	third.awaitKick(t)
	w.pushesTo("one_per_platform again", tablet, fourth)

	for _, p := range []*phone{first, second, third} {
		if n := len(p.Ends()); n != 1 {
			t.Errorf("%s had %d connections that ended, want the one that was kicked", p.name(), n)
		}
	}
}

// setPolicy is `waybill migrate --apps FILE` with another policy.
func (w *world) setPolicy(devices schemas.DevicePolicy) {
	w.t.Helper()
	file, err := w.App.File()
	if err != nil {
		w.t.Fatal(err)
	}
	apps, err := control.ReadFile(bytes.NewReader(file))
	if err != nil {
		w.t.Fatal(err)
	}
	apps[0].Policy = &schemas.AppPolicy{Devices: devices}
	ctx, cancel := bounded(w.t)
	defer cancel()
	changed, err := control.Apply(ctx, w.log, control.Change{Apps: apps, Partitions: 4, Replication: -1})
	if err != nil || len(changed) != 1 {
		w.t.Fatalf("set policy: changed %v, %v", changed, err)
	}
}

// pushesTo pushes to the user and waits until these phones have it.
func (w *world) pushesTo(text string, to ...*phone) {
	w.t.Helper()
	w.push(request{User: to[0].user, JSON: text})
	for _, p := range to {
		p.await(w.t, text+" at "+p.name(), func() bool {
			got := p.got()
			return len(got) > 0 && string(got[len(got)-1].Body) == `"`+text+`"`
		})
	}
}

// awaitKick waits until the phone was told to go, and has gone for good.
func (p *phone) awaitKick(t testing.TB) {
	t.Helper()
	p.await(t, p.name()+" to be kicked", func() bool { return len(p.Ends()) > 0 })
	var end *client.ClosedError
	err := p.stop()
	if !errors.As(err, &end) || end.Reason != schemas.Reason_REASON_KICKED {
		t.Errorf("%s ended with %v, want kicked", p.name(), err)
	}
	p.stop = func() error { return nil } // it has, and this is how it should
}
