package mailbox_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/schemas"
)

// forgetful folds a log and lets users go at random. Its rows are a fold of the
// log up to wherever the projection is: behind it, or ahead.
type forgetful struct {
	t         *testing.T
	r         *rand.Rand
	log       []mailboxtest.Entry
	read      int // entries that are folded
	projected int // entries that the rows have
	state     *mailbox.State
	back      int // users that returned
}

func (f *forgetful) step() {
	switch x := f.r.IntN(10); {
	case x < 6 && f.read < len(f.log):
		e := f.log[f.read]
		f.read++
		f.state.Apply(e.Position, e.Time, e.Event)
	case x < 7:
		f.projected = min(f.projected+f.r.IntN(20), len(f.log))
	case x < 9:
		f.evict()
	default:
		f.answer(1 + f.r.IntN(3))
	}
	if err := f.state.CheckInvariants(); err != nil {
		f.t.Fatal(err)
	}
}

// position as of which the rows are.
func (f *forgetful) position() schemas.Position {
	if f.projected == 0 {
		return 0
	}
	return f.log[f.projected-1].Position
}

// evict lets somebody go whose rows are as new as the fold.
func (f *forgetful) evict() {
	for _, u := range f.state.Users {
		if u.Last() <= f.position() {
			f.state.Evict(u, mailbox.Rest{}, 0)
			return
		}
	}
}

func (f *forgetful) answer(most int) {
	wants := f.state.Wants(most)
	if f.r.IntN(4) == 0 {
		f.state.Unanswered(wants)
		return
	}
	for _, w := range wants {
		rows := mailbox.New()
		for _, e := range f.log[:f.projected] {
			rows.Apply(e.Position, e.Time, e.Event)
		}
		x := mailboxtest.Rows(rows, w.Key, w.From, f.r.IntN(4) == 0)
		if u := f.state.Return(x, f.position(), func(*mailbox.User, schemas.Position) {}); u != nil {
			f.back++
		}
	}
}

// everybody comes back, once the rows have everything.
func (f *forgetful) everybody(keys []string) {
	f.projected = len(f.log)
	for _, key := range keys {
		f.state.Want(key, f.log[f.read-1].Position)
	}
	for f.state.Wanted() {
		f.answer(10)
	}
}

// TestForgettingChangesNothing: a fold that lets users go and takes them back
// from rows of any age is the fold that has read the same.
func TestForgettingChangesNothing(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			log := mailboxtest.NewLog(seed)
			log.Users = 3 + int(seed)%6
			f := &forgetful{t: t, r: rand.New(rand.NewPCG(seed, 2)), log: log.Take(300), state: mailbox.New()}
			if seed%3 == 0 {
				f.state.KeepAtMost(300)
			}
			direct := mailbox.New()
			for f.read < len(f.log) {
				f.step()
			}
			for _, e := range f.log {
				direct.Apply(e.Position, e.Time, e.Event)
			}
			keys := make([]string, 0, len(direct.Users))
			for key := range direct.Users {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			f.everybody(keys)
			if diff := mailboxtest.Diff(direct, f.state, true); diff != "" {
				t.Errorf("the fold differs:\n%s", diff)
			}
			if f.back == 0 || f.state.Absent() != 0 || f.state.Kept() != 0 {
				t.Errorf("%d came back, %d are absent, %d bytes are kept", f.back, f.state.Absent(), f.state.Kept())
			}
		})
	}
}

// ann pushed to at offset n.
func annPushed(n int64) (schemas.Position, int64, *schemas.Event) {
	id := schemas.NamedID("app", "ann", fmt.Sprint(n))
	return schemas.At(0, n), n, &schemas.Event{
		Kind: schemas.Kind_KIND_PUSHED, App: "app", User: "ann", Pushed: &schemas.Pushed{PushId: id[:], Body: make([]byte, 100), Ttl: 1000},
	}
}

// TestTooMuchIsKept: what is beyond the bound is not kept, and the user comes back
// only from rows that have it.
func TestTooMuchIsKept(t *testing.T) {
	s := mailbox.New()
	s.KeepAtMost(500)
	s.Settle("app/ann", mailbox.Rest{}, nil, 1)
	for n := range int64(10) {
		s.Apply(annPushed(n + 1))
	}
	if s.Kept() > 500 || len(s.Users) > 0 {
		t.Fatalf("%d bytes are kept, %d users are there", s.Kept(), len(s.Users))
	}
	rows := mailbox.New()
	for n := int64(0); ; n++ {
		rows.Apply(annPushed(n))
		if wants := s.Wants(9); len(wants) != 1 || wants[0].Key != "app/ann" || wants[0].From != schemas.At(0, 1) {
			t.Fatalf("wanted are %v", wants)
		}
		x := mailboxtest.Rows(rows, "app/ann", 0, true)
		x.User.Pushes = slices.Clone(x.User.Pushes)
		if u := s.Return(x, schemas.At(0, n), func(*mailbox.User, schemas.Position) {}); u != nil {
			if n < 8 || len(u.Pushes) != 11 {
				t.Errorf("it returns from rows as of %d with %d pushes", n, len(u.Pushes))
			}
			break
		}
	}
	if s.Kept() != 0 || s.Absent() != 0 {
		t.Errorf("%d bytes are kept, %d users are absent", s.Kept(), s.Absent())
	}
}

// TestAbsentIsWantedInTime: by its alarm, once, and not again after it returned.
func TestAbsentIsWantedInTime(t *testing.T) {
	s := mailbox.New()
	s.Settle("app/ann", mailbox.Rest{Due: 70}, nil, 1)
	s.Settle("taxi/bob", mailbox.Rest{Away: 50}, nil, 1)
	s.Rewake(func(app string, r mailbox.Rest) int64 {
		if app == "taxi" {
			return r.Away + 10
		}
		return r.Due
	})
	if s.Alarm() != 60 {
		t.Fatalf("the first alarm is at %d, want 60", s.Alarm())
	}
	s.Wake(60, 9)
	if got := s.Wants(9); len(got) != 1 || got[0].Key != "taxi/bob" || got[0].From != 10 || s.Alarm() != 70 {
		t.Fatalf("at 60 wanted are %v, the next alarm is at %d", got, s.Alarm())
	}
	s.Wake(1000, 9)
	if got := s.Wants(9); len(got) != 1 || got[0].Key != "app/ann" || s.Alarm() != 0 || s.Wanted() {
		t.Errorf("at 1000 wanted are %v", got)
	}
}
