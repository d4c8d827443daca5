package snapshot_test

import (
	"errors"
	"fmt"
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

func TestFence(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	entries := mailboxtest.NewLog(1).Take(90)
	fold := func(w *writer, part []mailboxtest.Entry) int64 {
		for _, e := range part {
			w.apply(e)
		}
		return part[len(part)-1].Offset + 1
	}
	first, second := open(t, pool), open(t, pool)
	first.mustFlush(fold(first, entries[:30]))
	if err := second.flush(fold(second, entries[:30])); !errors.Is(err, snapshot.ErrFenced) {
		t.Errorf("two first flushes: got %v", err)
	}
	second = open(t, pool)
	second.mustFlush(fold(second, entries[30:60]))
	sum := checksum(t, pool)
	if err := first.flush(fold(first, entries[30:90])); !errors.Is(err, snapshot.ErrFenced) {
		t.Errorf("a flush of one that was overtaken: got %v", err)
	}
	if checksum(t, pool) != sum {
		t.Error("a flush that was refused has changed rows")
	}
	empty(t, pool)
	if err := second.flush(fold(second, entries[60:])); !errors.Is(err, snapshot.ErrFenced) {
		t.Errorf("a flush into tables that were emptied: got %v", err)
	}
}

// TestShortLifeWritesNoRow is the hot path: a push that begins and ends between
// two flushes.
func TestShortLifeWritesNoRow(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	w := open(t, pool)
	apply := func(offset int64, e *schemas.Event) {
		e.App, e.User = "freight", "ann"
		w.apply(mailboxtest.Entry{Offset: offset, Position: schemas.At(0, offset), Time: offset, Event: e})
	}
	session := make([]byte, 16)
	apply(0, &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, Device: "phone", Gate: 1, Session: session, Connected: &schemas.Connected{Login: true}})
	w.mustFlush(1)
	apply(1, &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: session, Body: []byte("x"), Ttl: 1000}})
	apply(2, &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Device: "phone", Gate: 1, Acked: &schemas.Acked{Cursor: 2}})
	apply(3, &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Device: "phone", Outcome: &schemas.Outcome{Position: 2, Class: schemas.Class_CLASS_DELIVERED, Whole: true}})
	c := w.Cut(4)
	if got := c.Rows(); got != 2 { // the device's cursor, and the projection
		t.Errorf("the flush writes %d rows, want 2", got)
	}
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return snapshot.Flush(t.Context(), tx, c) })
	if err != nil {
		t.Fatal(err)
	}
}

// TestBounds drives a user's lists over their bounds, which drops the oldest.
func TestBounds(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	direct, w := mailbox.New(), open(t, pool)
	const pushes, cancels, sessions = 2300, 1100, 70
	for i := range int64(pushes + cancels + sessions) {
		id := schemas.NamedID("a", "u", fmt.Sprint(i))
		e := &schemas.Event{App: "freight", User: "ann", Device: "phone", Session: id[:]}
		switch {
		case i < pushes:
			e.Kind, e.Pushed = schemas.Kind_KIND_PUSHED, &schemas.Pushed{PushId: id[:], Name: "n"}
		case i < pushes+cancels:
			e.Kind, e.CancelAsked = schemas.Kind_KIND_CANCEL_ASKED, &schemas.CancelAsked{PushId: id[:]}
		default:
			e.Kind, e.SessionEnded = schemas.Kind_KIND_SESSION_ENDED, &schemas.SessionEnded{Session: id[:]}
		}
		direct.Apply(schemas.At(0, i), i, e)
		w.State.Apply(schemas.At(0, i), i, e)
		if i%400 == 399 {
			if i > 1500 {
				w.RewriteAt(10)
			}
			w.mustFlush(i + 1)
		}
	}
	w.mustFlush(pushes + cancels + sessions)
	if diff := mailboxtest.Diff(direct, open(t, pool).State, true); diff != "" {
		t.Error(diff)
	}
}

func TestLoadUser(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	w := open(t, pool)
	entries := mailboxtest.NewLog(9).Take(300)
	for _, e := range entries {
		w.apply(e)
	}
	next := entries[len(entries)-1].Offset + 1
	w.mustFlush(next)
	got := mailbox.New()
	for key, u := range w.State.Users {
		one, err := snapshot.LoadUser(t.Context(), pool, u.App, u.Name)
		if err != nil {
			t.Fatal(err)
		}
		if one != nil {
			got.Users[key] = one
		}
	}
	got.Term, got.Sealed = w.State.Term, w.State.Sealed
	want := mailbox.New()
	want.Term, want.Sealed = w.State.Term, w.State.Sealed
	for key, u := range w.State.Users {
		want.Users[key] = &mailbox.User{
			Key: u.Key, App: u.App, Name: u.Name, Devices: u.Devices, Pushes: u.Pushes, Waiting: u.Waiting,
			Closing: u.Closing, Ended: u.Ended, Tombs: u.Tombs,
		}
	}
	if diff := mailboxtest.Diff(want, got, false); diff != "" {
		t.Error(diff)
	}
	if u, err := snapshot.LoadUser(t.Context(), pool, "freight", "nobody"); u != nil || err != nil {
		t.Errorf("of nobody it says %v, %v", u, err)
	}
	places, err := snapshot.Places(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	wantPlaces := []snapshot.Place{{Topic: topic, Partition: 3, Next: next, Time: entries[len(entries)-1].Time, Term: w.State.Term}}
	if diff := cmp.Diff(wantPlaces, places); diff != "" {
		t.Error(diff)
	}
}

func TestBrokenRows(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	w := open(t, pool)
	for _, e := range mailboxtest.NewLog(2).Take(100) {
		w.apply(e)
	}
	w.mustFlush(100)
	if _, err := pool.Exec(t.Context(), "DELETE FROM devices WHERE place = 0"); err != nil {
		t.Fatal(err)
	}
	if _, err := snapshot.Load(t.Context(), pool, topic, 3); !errors.Is(err, snapshot.ErrBroken) {
		t.Errorf("rows that were tampered with: got %v", err)
	}
}

// BenchmarkLoad reads a partition of 100,000 users, each with a device that has
// a route, and one push in ten.
func BenchmarkLoad(b *testing.B) {
	pool := pgtest.Pool(b, pgtest.Migrated(b))
	w, err := snapshot.Load(b.Context(), pool, topic, 3)
	if err != nil {
		b.Fatal(err)
	}
	w.State.Track()
	const users = 100_000
	for i := range int64(users) {
		id := schemas.NamedID("a", "u", fmt.Sprint(i))
		e := &schemas.Event{
			Kind: schemas.Kind_KIND_CONNECTED, App: "freight", User: fmt.Sprintf("driver-%06d", i), Device: "phone", Gate: 1, Connection: uint64(i),
			Session: id[:], Connected: &schemas.Connected{Login: true, Install: id[:], Platform: "android", ClientVersion: "1.0"},
		}
		w.State.Apply(schemas.At(0, 2*i), i, e)
		if i%10 == 0 {
			e = &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, App: e.App, User: e.User, Pushed: &schemas.Pushed{PushId: id[:], Body: make([]byte, 200)}}
			w.State.Apply(schemas.At(0, 2*i+1), i, e)
		}
	}
	c := w.Cut(2 * users)
	if err := pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error { return snapshot.Flush(b.Context(), tx, c) }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := snapshot.Load(b.Context(), pool, topic, 3)
		if err != nil {
			b.Fatal(err)
		}
		if len(s.State.Users) != users {
			b.Fatalf("%d users", len(s.State.Users))
		}
	}
}
