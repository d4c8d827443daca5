package control

import (
	"strings"
	"testing"
	"time"

	"waybill/schemas"
)

const (
	many        = schemas.DevicePolicy_DEVICE_POLICY_MANY
	perUser     = schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER
	perPlatform = schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_PLATFORM
)

func TestReadPolicy(t *testing.T) {
	for _, c := range []struct {
		fields string
		want   Policy
		stored bool
	}{
		{``, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}, false},
		{`,"policy":{}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}, false},
		{`,"policy":{"devices":"many","session_expiry":2592000}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}, false},
		{`,"policy":{"devices":"one_per_user"}`, Policy{Devices: perUser, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}, true},
		{`,"policy":{"devices":"one_per_platform","session_expiry":60}`, Policy{Devices: perPlatform, SessionExpiry: time.Minute, UnreachedAfter: DefaultUnreached}, true},
		{`,"policy":{"session_expiry":31536000}`, Policy{Devices: many, SessionExpiry: 365 * 24 * time.Hour, UnreachedAfter: DefaultUnreached}, true},
		{`,"policy":{"unreached_after":3000}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}, false},
		{`,"policy":{"unreached_after":500}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: time.Second / 2}, true},
		{`,"policy":{"anonymous":false}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}, false},
		{`,"policy":{"anonymous":true}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached, Anonymous: true}, true},
		{`,"policy":{"unreached_after":0}`, Policy{Devices: many, SessionExpiry: DefaultExpiry}, true},
	} {
		apps, err := ReadFile(strings.NewReader(`{"apps":[{"name":"freight"` + c.fields + `}]}`))
		if err != nil {
			t.Errorf("%s: %v", c.fields, err)
			continue
		}
		if got := policyOf(apps[0].Policy); got != c.want || (apps[0].Policy != nil) != c.stored {
			t.Errorf("%s: %+v, stored %v; want %+v, %v", c.fields, got, apps[0].Policy, c.want, c.stored)
		}
	}
}

func TestReadPolicyBad(t *testing.T) {
	for _, c := range []struct{ policy, want string }{
		{`{"devices":"one"}`, `apps[0].policy.devices is "one"; allowed: many, one_per_user, one_per_platform`},
		{`{"session_expiry":0}`, `apps[0].policy.session_expiry is 0; allowed: 60 to 31536000 seconds`},
		{`{"session_expiry":-1}`, `is -1; allowed`},
		{`{"session_expiry":31536001}`, `is 31536001; allowed`},
		{`{"session_expiry":"30d"}`, `policy (devices, session_expiry, anonymous, unreached_after, outcomes)`},
		{`{"unreached_after":3600001}`, `apps[0].policy.unreached_after is 3600001; allowed: 0 (it is not said) to 3600000 milliseconds`},
		{`{"device":"many"}`, `unknown field "device"`},
	} {
		_, err := ReadFile(strings.NewReader(`{"apps":[{"name":"freight","policy":` + c.policy + `}]}`))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.policy, err, c.want)
		}
	}
}

// A view says the policies as they are, and when they are others.
func TestPolicies(t *testing.T) {
	log, ctx := newLog(t)
	v := follow(t, log)
	<-v.Ready()
	now, changed := v.Policies()
	if len(now) != 0 {
		t.Errorf("%v before there are apps", now)
	}
	for _, step := range []struct {
		policy string
		want   Policy
	}{
		{`{}`, Policy{Devices: many, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}},
		{`{"devices":"one_per_user","session_expiry":3600}`, Policy{Devices: perUser, SessionExpiry: time.Hour, UnreachedAfter: DefaultUnreached}},
		{`{"devices":"one_per_platform"}`, Policy{Devices: perPlatform, SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached}},
		{`{"anonymous":true}`, Policy{SessionExpiry: DefaultExpiry, UnreachedAfter: DefaultUnreached, Anonymous: true}},
	} {
		if _, err := apply(t, ctx, log, `{"apps":[{"name":"freight","policy":`+step.policy+`}]}`); err != nil {
			t.Fatal(err)
		}
		for now["freight"] != step.want {
			select {
			case <-changed:
				now, changed = v.Policies()
			case <-ctx.Done():
				t.Fatalf("the policy is %+v, want %+v", now["freight"], step.want)
			}
		}
		if got := v.Anonymous("freight"); got != step.want.Anonymous || v.Anonymous("nobody's") {
			t.Errorf("%s: anonymous devices let in: %v", step.policy, got)
		}
	}
}
