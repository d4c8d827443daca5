package snapshot_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

// forgetful is a reader that has loaded who is present, and lets users go.
type forgetful struct {
	*writer
	r      *rand.Rand
	read   int
	state  *mailbox.State
	stored schemas.Position // as of which the rows are
	back   int
}

func (f *forgetful) load() {
	s, err := snapshot.LoadPresent(f.t.Context(), f.pool, topic, 3, 1000)
	if err != nil {
		f.t.Fatal(err)
	}
	f.state = s.State
	f.read = 0
}

// answer reads who is wanted from the rows, as they are now.
func (f *forgetful) answer(most int) {
	wants := f.state.Wants(most)
	users, err := snapshot.LoadUsers(f.t.Context(), f.pool, topic, 3, wants)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, x := range users.Rows {
		if f.state.Return(x, users.AsOf, func(*mailbox.User, schemas.Position) {}) != nil {
			f.back++
		}
	}
}

func (f *forgetful) step(e mailboxtest.Entry) {
	f.state.Apply(e.Position, e.Time, e.Event)
	switch f.r.IntN(6) {
	case 0:
		f.answer(1 + f.r.IntN(3))
	case 1:
		for _, u := range f.state.Users {
			if u.Last() <= f.stored {
				f.state.Evict(u, mailbox.Rest{}, 0)
				break
			}
		}
	}
	if err := f.state.CheckInvariants(); err != nil {
		f.t.Fatal(err)
	}
}

// TestUsersReturnFromRows: whoever leaves memory, or never came into it, returns
// from the rows as it would be, whatever was stored since.
func TestUsersReturnFromRows(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			empty(t, pool)
			log := mailboxtest.NewLog(seed)
			log.Users = 3 + int(seed)%7
			entries := slices.DeleteFunc(log.Take(400), func(e mailboxtest.Entry) bool { return e.Event.Kind == schemas.Kind_KIND_SEALED })
			f := &forgetful{writer: open(t, pool), r: rand.New(rand.NewPCG(seed, 5))}
			direct := mailbox.New()
			store := func(n int) {
				if f.r.IntN(6) == 0 {
					f.RewriteAt(f.r.IntN(20))
				}
				f.mustFlush(entries[n-1].Offset + 1)
				f.stored = entries[n-1].Position
			}
			for n, e := range entries {
				direct.Apply(e.Position, e.Time, e.Event)
				f.apply(e)
				switch {
				case n < 100:
					continue
				case n == 100:
					store(n + 1)
					f.load()
					continue
				case f.r.IntN(12) == 0:
					store(n + 1)
				}
				f.step(e)
			}
			store(len(entries))
			for key := range direct.Users {
				f.state.Want(key, entries[len(entries)-1].Position)
			}
			for f.state.Wanted() {
				f.answer(3)
			}
			if diff := mailboxtest.Diff(direct, f.state, true); diff != "" {
				t.Errorf("the fold differs:\n%s", diff)
			}
			if f.back < 10 || f.state.Absent() > 0 {
				t.Errorf("%d came back, %d are absent", f.back, f.state.Absent())
			}
		})
	}
}

// TestLoadPresent: of whom something is to be said now is there, of the others
// there is what time will bring.
func TestLoadPresent(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	w, n := open(t, pool), int64(0)
	apply := func(user string, e *schemas.Event) schemas.Position {
		e.App, e.User, e.Device, e.Session = "freight", user, "phone", make([]byte, 16)
		e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: 1})
		w.apply(mailboxtest.Entry{Offset: n, Position: schemas.At(0, n), Time: 1000 + n, Event: e})
		n++
		return schemas.At(0, n-1)
	}
	login := func(user string) {
		apply(user, &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, Connected: &schemas.Connected{Login: true}})
	}
	gone := func(user string, reason schemas.Reason) {
		apply(user, &schemas.Event{Kind: schemas.Kind_KIND_DISCONNECTED, Disconnected: &schemas.Disconnected{Reason: reason}})
	}
	pushed := func(user, name string) schemas.Position {
		id := schemas.NamedID("freight", user, name)
		return apply(user, &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: id[:], Name: name, Ttl: 5}})
	}
	login("here")
	login("away")
	gone("away", 0)
	login("owed")
	gone("owed", 0)
	pushed("owed", "one")
	login("leaving")
	gone("leaving", schemas.Reason_REASON_LOGGED_OUT)
	pushed("twice", "one")
	pushed("twice", "one")
	pushed("full", "one")
	pushed("full", "two")
	acked := pushed("acked", "one")
	login("acked")
	apply("acked", &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{Cursor: uint64(acked)}})
	gone("acked", 0)
	w.mustFlush(n)
	s, err := snapshot.LoadPresent(t.Context(), pool, topic, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"here", "leaving", "twice", "full", "acked"} {
		if s.State.Users["freight/"+name] == nil {
			t.Errorf("%s is absent", name)
		}
	}
	if len(s.State.Users) != 5 || s.State.Absent() != 2 {
		t.Errorf("%d are present and %d absent, want 5 and 2", len(s.State.Users), s.State.Absent())
	}
	var rests []mailbox.Rest
	s.State.Rewake(func(_ string, r mailbox.Rest) int64 {
		rests = append(rests, r)
		return r.Due
	})
	if at := s.State.Alarm(); at != 1005+5000+1 {
		t.Errorf("what is owed is late at %d", at)
	}
	for _, r := range rests {
		if r.Away != 1002 && r.Away != 1004 {
			t.Errorf("somebody is away since %d", r.Away)
		}
	}
}

// TestNobodyOfASealedPartition: its rows belong to the next epoch.
func TestNobodyOfASealedPartition(t *testing.T) {
	pool := pgtest.Pool(t, pgtest.Migrated(t))
	w := open(t, pool)
	w.apply(mailboxtest.Entry{Position: schemas.At(0, 0), Time: 1, Event: &schemas.Event{Kind: schemas.Kind_KIND_SEALED, Sealed: &schemas.Sealed{}}})
	w.mustFlush(1)
	if _, err := snapshot.LoadUsers(t.Context(), pool, topic, 3, []mailbox.Want{{Key: "a/b"}}); !errors.Is(err, snapshot.ErrSealed) {
		t.Errorf("got %v", err)
	}
}
