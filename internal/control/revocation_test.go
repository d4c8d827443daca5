package control

import (
	"context"
	"errors"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestRevoked(t *testing.T) {
	one, other := schemas.ID{1}, schemas.ID{2}
	v := Open(nil)
	read := newRecords()
	for _, r := range []Revocation{
		{App: "freight", User: "all", Before: 100},
		{App: "freight", User: "one", Device: "phone", Before: 100},
		{App: "freight", User: "single", Session: one, Before: 100, Reason: schemas.Reason_REASON_LOGGED_OUT},
	} {
		read.fold(&eventlog.Entry{Key: []byte(r.key()), Event: r.event()})
	}
	_, changed := v.Revocations()
	v.show(read)
	<-changed
	for _, c := range []struct {
		user, device string
		session      schemas.ID
		began        int64
		want         schemas.Reason
	}{
		{"all", "phone", one, 99, schemas.Reason_REASON_REVOKED},
		{"all", "phone", one, 100, schemas.Reason_REASON_NONE},
		{"one", "phone", other, 99, schemas.Reason_REASON_REVOKED},
		{"one", "tablet", other, 99, schemas.Reason_REASON_NONE},
		{"single", "phone", one, 99, schemas.Reason_REASON_LOGGED_OUT},
		{"single", "phone", other, 99, schemas.Reason_REASON_NONE},
		{"nobody", "phone", one, 1, schemas.Reason_REASON_NONE},
	} {
		by, revoked := v.Revoked("freight", c.user, c.device, c.session, c.began)
		if by.Reason != c.want || revoked != (c.want != schemas.Reason_REASON_NONE) {
			t.Errorf("%+v: %+v, %v", c, by, revoked)
		}
	}
	if _, revoked := v.Revoked("taxi", "all", "phone", one, 99); revoked {
		t.Error("a user of another app is revoked")
	}
	if now, _ := v.Revocations(); len(now) != 3 || now[0].User != "all" {
		t.Errorf("revocations %+v", now)
	}
}

// A name with a slash is not another user's device.
func TestRevocationKey(t *testing.T) {
	seen := make(map[string]Revocation)
	for _, r := range []Revocation{
		{App: "a", User: "b"}, {App: "a", User: "b", Device: "c"}, {App: "a", User: "b/c"},
		{App: "a", User: "b", Session: schemas.ID{1}}, {App: "a", User: "b", Device: "c", Session: schemas.ID{1}},
	} {
		if was, twice := seen[r.key()]; twice {
			t.Errorf("%+v and %+v have the key %s", was, r, r.key())
		}
		seen[r.key()] = r
	}
}

// What is revoked is in force in a view that follows, is audited, is taken back
// by a record without a value, and stays away for a view that starts anew.
func TestRevoke(t *testing.T) {
	log, ctx := newLog(t)
	if err := Revoke(ctx, log, Revocation{App: "freight", User: "ann"}, ""); !errors.Is(err, ErrNoApp) {
		t.Fatalf("an app that is not there: %v", err)
	}
	if _, err := apply(t, ctx, log, `{"apps":[{"name":"freight"}]}`); err != nil {
		t.Fatal(err)
	}
	if err := Revoke(ctx, log, Revocation{App: "freight"}, ""); err == nil {
		t.Error("nobody was revoked")
	}
	v := follow(t, log)
	<-v.Ready()
	before := time.Now().UnixMicro()
	r := Revocation{App: "freight", User: "ann", Device: "phone"}
	if err := Revoke(ctx, log, r, "revoke/tester@host"); err != nil {
		t.Fatal(err)
	}
	awaitView(t, ctx, v, func() bool {
		by, revoked := v.Revoked("freight", "ann", "phone", schemas.ID{1}, before)
		return revoked && by.Reason == schemas.Reason_REASON_REVOKED
	})
	c, err := newChanger(log, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.drop(ctx, r.key()); err != nil {
		t.Fatal(err)
	}
	awaitView(t, ctx, v, func() bool { list, _ := v.Revocations(); return len(list) == 0 })
	late, err := current(ctx, log)
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := late.Revocations(); len(list) != 0 {
		t.Errorf("a new view knows %+v", list)
	}
}

// A slow clock of who revokes leaves no session out.
func TestRevocationTime(t *testing.T) {
	for _, c := range []struct{ said, broker, want int64 }{{10, 20, 20}, {30, 20, 30}} {
		e := &eventlog.Entry{Time: c.broker, Event: Revocation{User: "ann", Before: c.said}.event()}
		if got := revocationOf(e).Before; got != c.want {
			t.Errorf("said %d at %d: before %d, want %d", c.said, c.broker, got, c.want)
		}
	}
}

// Tidying drops nothing that is young, and may be repeated.
func TestTidy(t *testing.T) {
	log, ctx := newLog(t)
	if _, err := RotateKey(ctx, log, Rotation{Configured: configured}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := Tidy(ctx, log); n != 0 || err != nil {
			t.Errorf("dropped %d, %v", n, err)
		}
	}
	if keys := clusterKeys(t, ctx, log); len(keys) != 1 {
		t.Errorf("keys %+v", keys)
	}
}

// awaitView waits until what the view shows is so.
func awaitView(t *testing.T, ctx context.Context, v *View, so func() bool) {
	t.Helper()
	for {
		_, changed := v.Revocations()
		if so() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatal("the view does not follow")
		}
	}
}
