package main

import (
	"strings"
	"testing"
)

func TestRevokeFlags(t *testing.T) {
	const session = "0199e5a0000070008000000000000001"
	c, err := parse(t, "revoke", "--app=freight", "--user=ann", "--device=phone", "--session="+session)
	if err != nil {
		t.Fatal(err)
	}
	want := "session " + session + " of device phone of user ann of app freight that had begun"
	if got := c.Revoke.whose(); got != want {
		t.Errorf("revokes %q, want %q", got, want)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"revoke", "--user=ann"}, "--app"},
		{[]string{"revoke", "--app=freight"}, "--user"},
		{[]string{"revoke", "--app=freight", "--user=ann", "--session=12"}, "want 32 hex digits"},
		{[]string{"migrate", "--rotate-key"}, "needs --cluster-key"},
		{[]string{"migrate", "--forget-keys"}, "allowed: with --rotate-key"},
	} {
		if _, err := parse(t, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

func TestRotateFlags(t *testing.T) {
	t.Setenv("WAYBILL_CLUSTER_KEY", key)
	if c, err := parse(t, "migrate", "--rotate-key"); err != nil || len(c.Migrate.ClusterKey) != 32 {
		t.Errorf("%x, %v", c.Migrate.ClusterKey, err)
	}
}

// TestOperate: what an operator asks of the log alone is done, or it is said why not.
func TestOperate(t *testing.T) {
	t.Parallel()
	w := &world{t: t, dir: t.TempDir(), kafka: freeAddress(t), home: t.TempDir()} // no databases
	w.writeApps()
	w.startKafka()
	w.migrate().ends(exitDrained)
	rotate := func(more ...string) func() *proc {
		return func() *proc { return w.migrate(append(more, "--rotate-key")...) }
	}
	revoke := func(app string) func() *proc {
		return func() *proc {
			return waybill(t, w.env(), "revoke", flag("app", app), "--user=ann", "--device=phone")
		}
	}
	other := flag("cluster-key", strings.Repeat("f", 64))
	for _, step := range []struct {
		run  func() *proc
		code int
		says string
	}{
		{rotate(), exitDrained, "gates seal with it when all of them have read it\" key=1"},
		{rotate(), exitDrained, "key=2"},
		{rotate(other), exitFailed, "--forget-keys"},
		{rotate(other, "--forget-keys"), exitDrained, "key=3"},
		{revoke("freight"), exitDrained, "revoked: the sessions of device phone of user ann of app freight"},
		{revoke("fright"), exitFailed, `there is no app "fright"; allowed: freight`},
	} {
		if said := step.run().ends(step.code); !strings.Contains(said, step.says) {
			t.Errorf("it says %q, want %q", said, step.says)
		}
	}
}
