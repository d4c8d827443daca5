package control

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

var configured, otherKey = bytes.Repeat([]byte{1}, KeySize), bytes.Repeat([]byte{2}, KeySize)

func clusterKeys(t *testing.T, ctx context.Context, log *eventlog.Log) []ClusterKey {
	t.Helper()
	v, err := current(ctx, log)
	if err != nil {
		t.Fatal(err)
	}
	keys, asOf, _ := v.ClusterKeys()
	for _, k := range keys {
		if k.At == 0 || k.At > asOf || k.Published == 0 {
			t.Errorf("key %d at %d, published %d, as of %d", k.ID, k.At, k.Published, asOf)
		}
	}
	return keys
}

func TestRotateKey(t *testing.T) {
	log, ctx := newLog(t)
	for _, step := range []struct {
		name   string
		r      Rotation
		id     uint32
		err    error
		opened int // keys that configured opens afterwards
	}{
		{"first", Rotation{Configured: configured}, 1, nil, 1},
		{"second", Rotation{Configured: configured}, 2, nil, 2},
		{"another configured key", Rotation{Configured: otherKey}, 0, ErrOtherKey, 2},
		{"forget what it does not open", Rotation{Configured: otherKey, Forget: true}, 3, nil, 0},
		{"and back", Rotation{Configured: configured, Forget: true}, 4, nil, 1},
	} {
		id, err := RotateKey(ctx, log, step.r)
		if id != step.id || !errors.Is(err, step.err) {
			t.Fatalf("%s: key %d, %v; want %d, %v", step.name, id, err, step.id, step.err)
		}
		opened := make(map[string]bool)
		for _, k := range clusterKeys(t, ctx, log) {
			if key, err := k.Open(configured); err == nil {
				opened[string(key)] = true
			}
		}
		if len(opened) != step.opened {
			t.Errorf("%s: %d keys open, want %d", step.name, len(opened), step.opened)
		}
	}
	if _, err := RotateKey(ctx, log, Rotation{Configured: []byte("short")}); err == nil {
		t.Error("a short configured key was taken")
	}
}

// A key retires when the newer one has been there for as long as tickets live
// and a day; the newest never does.
func TestKeysRetire(t *testing.T) {
	keys := newestFirst(map[string]ClusterKey{"a": {ID: 1, Published: 10}, "b": {ID: 3, Published: 30}, "c": {ID: 2, Published: 20}})
	kept := keptFor.Microseconds()
	for i, want := range []ClusterKey{{ID: 3, Published: 30}, {ID: 2, Published: 20, Retires: 30 + kept}, {ID: 1, Published: 10, Retires: 20 + kept}} {
		if got := keys[i]; got.ID != want.ID || got.Retires != want.Retires {
			t.Errorf("%d: %+v, want %+v", i, got, want)
		}
	}
	s := &state{time: 20 + kept + 1, clusterKeys: keys, revoked: &revocations{list: []Revocation{{User: "old", Before: 20}, {User: "new", Before: 21}, {User: "newer", Before: 22}}}}
	want := []string{Revocation{User: "old"}.key(), ClusterKey{ID: 1}.recordKey()}
	if got := s.overdue(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("overdue %v, want %v", got, want)
	}
}

// A sealed key is opened under its own number alone.
func TestKeyIsBoundToItsNumber(t *testing.T) {
	key := bytes.Repeat([]byte{9}, KeySize)
	sealed, err := SealKey(configured, 7, key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := (ClusterKey{ID: 7, Sealed: sealed}).Open(configured); err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
	for _, k := range []ClusterKey{{ID: 8, Sealed: sealed}, {ID: 7}, {ID: 7, Sealed: sealed[:20]}} {
		if _, err := k.Open(configured); err == nil {
			t.Errorf("%+v was opened", k)
		}
	}
	if _, err := (ClusterKey{ID: 7, Sealed: sealed}).Open(otherKey); err == nil {
		t.Error("opened under another configured key")
	}
}

// The audit of a rotation says who and when, and holds no key.
func TestRotationIsAudited(t *testing.T) {
	log, ctx := newLog(t)
	if _, err := RotateKey(ctx, log, Rotation{Configured: configured, Who: "migrate/tester@host"}); err != nil {
		t.Fatal(err)
	}
	e := audited(t, ctx, log)
	if e.Kind != schemas.Kind_KIND_CLUSTER_KEY_SET || e.Node != "migrate/tester@host" || e.ClusterKeySet.Id != 1 || len(e.ClusterKeySet.Sealed) != 0 {
		t.Errorf("audit %+v", e)
	}
}

// audited is the first event of the audit.
func audited(t *testing.T, ctx context.Context, log *eventlog.Log) (first *schemas.Event) {
	t.Helper()
	err := log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.AuditTopic, Serve: func(ctx context.Context, p *eventlog.Partition) error {
		if err := p.Start(eventlog.FromStart, nil); err != nil {
			return err
		}
		b, err := p.Next(ctx)
		if err != nil {
			return nil
		}
		first = b.Entries[0].Event
		return nil
	}})
	if err != nil || first == nil {
		t.Fatalf("read the audit: %v, %v", first, err)
	}
	return first
}
