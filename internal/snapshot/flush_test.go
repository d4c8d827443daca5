package snapshot_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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

// TestPlansProbe: whatever the statistics say, a flush finds its rows by whole
// keys. They say nothing here, and a planner that is left alone then reads the
// partition for each row.
func TestPlansProbe(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	many := make([]string, 1000)
	places := make([]int32, len(many))
	for name, sql := range snapshot.Probes {
		var plan []string
		err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), snapshot.Plans); err != nil {
				return err
			}
			rows, err := tx.Query(t.Context(), "EXPLAIN "+sql, 3, many, many, places)
			if err != nil {
				return err
			}
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(plan, "\n")
		if !regexp.MustCompile(`Index Cond: \(.*partition.*app.*user_name.*(position|place)`).MatchString(text) {
			t.Errorf("%s probes no whole key:\n%s", name, text)
		}
	}
}

// TestBounds drives a user's lists over their bounds, which drops the oldest.
func TestBounds(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	direct, w := mailbox.New(), open(t, pool)
	const pushes, cancels, conns = 2300, 1100, 70
	for i := range int64(pushes + cancels + conns) {
		id := schemas.NamedID("a", "u", fmt.Sprint(i))
		e := &schemas.Event{App: "freight", User: "ann", Device: "phone", Session: id[:]}
		switch {
		case i < pushes:
			e.Kind, e.Pushed = schemas.Kind_KIND_PUSHED, &schemas.Pushed{PushId: id[:], Name: "n"}
		case i < pushes+cancels:
			e.Kind, e.CancelAsked = schemas.Kind_KIND_CANCEL_ASKED, &schemas.CancelAsked{PushId: id[:]}
		default:
			e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(i)})
			e.Kind, e.Connected = schemas.Kind_KIND_CONNECTED, &schemas.Connected{Login: true}
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
	w.mustFlush(pushes + cancels + conns)
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
			Closing: u.Closing, Tombs: u.Tombs,
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

// manyUsers flushes a partition of so many users, each with a device that has a
// route, and a push for one in ten.
func manyUsers(b *testing.B, pool *pgxpool.Pool, users int64) *snapshot.Snapshot {
	b.Helper()
	s, err := snapshot.Load(b.Context(), pool, topic, 3)
	if err != nil {
		b.Fatal(err)
	}
	s.State.Track()
	for i := range users {
		id := schemas.NamedID("a", "u", fmt.Sprint(i))
		s.State.Apply(schemas.At(0, 2*i), i, &schemas.Event{
			Kind: schemas.Kind_KIND_CONNECTED, App: "freight", User: driver(i), Device: "phone", Gate: 1, Connection: uint64(i), Session: id[:],
			Connected: &schemas.Connected{Login: true, Install: id[:], Platform: "android", ClientVersion: "1.0"},
		})
		if i%10 == 0 {
			pushTo(s, i, 2*i+1)
		}
	}
	flushAll(b, pool, s, 2*users)
	return s
}

func driver(i int64) string { return fmt.Sprintf("driver-%06d", i) }

func pushTo(s *snapshot.Snapshot, user, offset int64) {
	id := schemas.NamedID("a", "u", fmt.Sprint(offset))
	s.State.Apply(schemas.At(0, offset), offset, &schemas.Event{
		Kind: schemas.Kind_KIND_PUSHED, App: "freight", User: driver(user),
		Pushed: &schemas.Pushed{PushId: id[:], Name: "n", Body: make([]byte, 200), Label: "offer"},
	})
}

func flushAll(b *testing.B, pool *pgxpool.Pool, s *snapshot.Snapshot, next int64) {
	b.Helper()
	c := s.Cut(next)
	if err := pgx.BeginFunc(b.Context(), pool, func(tx pgx.Tx) error { return snapshot.Flush(b.Context(), tx, c) }); err != nil {
		b.Fatal(err)
	}
	s.Stored(c)
}

// BenchmarkLoad reads a partition of 100,000 users.
func BenchmarkLoad(b *testing.B) {
	pool := pgtest.Pool(b, pgtest.Migrated(b))
	const users = 100_000
	manyUsers(b, pool, users)
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

// BenchmarkFlush is one flush under load, beside 100,000 users who are quiet:
// 1,000 pushes that began, 1,000 of the flush before that ended, the cursors of
// 1,000 devices, and 1,000 older pushes that were sent once more.
func BenchmarkFlush(b *testing.B) {
	pool := pgtest.Pool(b, pgtest.Migrated(b))
	const users, flying = 100_000, 1000
	s := manyUsers(b, pool, users)
	next := int64(2 * users)
	for b.Loop() {
		began := next
		for i := range int64(flying) {
			if last := schemas.At(0, began-flying+i); began > 2*users {
				u := driver(i)
				s.State.Apply(schemas.At(0, next), next, &schemas.Event{
					Kind: schemas.Kind_KIND_ACKED, App: "freight", User: u, Device: "phone", Gate: 1, Connection: uint64(i), Acked: &schemas.Acked{Cursor: uint64(last)},
				})
				s.State.Apply(schemas.At(0, next), next, &schemas.Event{
					Kind: schemas.Kind_KIND_OUTCOME, App: "freight", User: u, Device: "phone",
					Outcome: &schemas.Outcome{Position: uint64(last), Class: schemas.Class_CLASS_DELIVERED, Whole: true},
				})
			}
			s.State.Apply(schemas.At(0, next), next, &schemas.Event{
				Kind: schemas.Kind_KIND_SENT, App: "freight", User: driver(10*i + 5000), Device: "phone", Gate: 1, Connection: uint64(10*i + 5000),
				Sent: &schemas.Sent{Position: uint64(schemas.At(0, 20*i+10_001)), Attempt: 1},
			})
			pushTo(s, i, next)
			next++
		}
		flushAll(b, pool, s, next)
	}
}
