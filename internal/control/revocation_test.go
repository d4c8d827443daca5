package control

import (
	"testing"

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
		reason, revoked := v.Revoked("freight", c.user, c.device, c.session, c.began)
		if reason != c.want || revoked != (c.want != schemas.Reason_REASON_NONE) {
			t.Errorf("%+v: %v, %v", c, reason, revoked)
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
