package e2e

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"waybill/client"
	"waybill/internal/control"
	"waybill/internal/e2e/ledger"
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

	w.setPolicy(&schemas.AppPolicy{Devices: schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER})
	first.awaitKick(t)
	third := login("third", "android")
	second.awaitKick(t)
	w.pushesTo("one_per_user", third)

	w.setPolicy(&schemas.AppPolicy{Devices: schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_PLATFORM})
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

// A phone that is away for longer than its app lets a session live is told so
// when it comes back, logs in, and has what its user was owed.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	store := &client.MemoryStore{}
	keep := func(c *client.Config) { c.Store = store }
	p := w.phone("driver-1", "phone", keep)
	w.awaitConnected(p)
	w.pushesTo("before", p)
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	w.setPolicy(&schemas.AppPolicy{SessionExpiry: 1})
	w.push(request{User: "driver-1", JSON: "meanwhile"})
	w.books.await(t, "the end of the session", func(l *ledger.Ledger) bool {
		return l.Kinds[schemas.Kind_KIND_SESSION_ENDED] == 1
	})

	again := w.phone("driver-1", "phone", keep)
	if got := again.awaitPushes(t, 1); string(got[0].Body) != `"meanwhile"` {
		t.Errorf("got %s first, want what came meanwhile", got[0].Body)
	}
	expired := schemas.Reason_REASON_SESSION_EXPIRED.Word()
	if ends := again.Ends(); len(ends) != 1 || !strings.Contains(ends[0].Error(), expired) {
		t.Errorf("connections ended by %v, want one by %s", ends, expired)
	}
}

// setPolicy is `waybill migrate --apps FILE` with another policy.
func (w *world) setPolicy(policy *schemas.AppPolicy) {
	w.t.Helper()
	file, err := w.App.File()
	if err != nil {
		w.t.Fatal(err)
	}
	apps, err := control.ReadFile(bytes.NewReader(file))
	if err != nil {
		w.t.Fatal(err)
	}
	apps[0].Policy = policy
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
