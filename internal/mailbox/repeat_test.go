package mailbox

import (
	"testing"

	"waybill/schemas"
)

// TestDrawnIDSaidAgain: an app-server that was left in doubt says the call
// again under the id that Waybill had drawn. While the first push is open, the
// second one is a duplicate; with another body the id was reused.
func TestDrawnIDSaidAgain(t *testing.T) {
	id := schemas.ID{15: 1}
	push := func(name string, digest uint64) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, App: "a", User: "u",
			Pushed: &schemas.Pushed{PushId: id[:], Name: name, Digest: digest, Ttl: 1000}}
	}
	s := New()
	s.Apply(10, 1, push("", 7))
	s.Apply(11, 2, push(id.String(), 7))
	s.Apply(12, 3, push(id.String(), 8))
	u := s.Users["a/u"]
	for pos, want := range map[schemas.Position]schemas.Reason{
		10: 0, 11: schemas.Reason_REASON_DUPLICATE, 12: schemas.Reason_REASON_ID_REUSED,
	} {
		if p := u.Push(pos); p.Never != want || want != 0 && p.First != 10 {
			t.Errorf("the push at %v: %v after %v, want %v after 10", pos, p.Never.Word(), p.First, want.Word())
		}
	}
}

// TestDrawnIDAmongMany: a user with many pushes has an index of their ids; what
// it says is what a look at each would say, also as pushes come and go.
func TestDrawnIDAmongMany(t *testing.T) {
	const many = 3 * indexed
	s := New()
	id := func(n int) schemas.ID { return schemas.ID{0: 1, 15: byte(n)} }
	pos := schemas.Position(0)
	apply := func(e *schemas.Event) *User {
		pos++
		e.App, e.User = "a", "u"
		u := s.Apply(pos, int64(pos), e)
		if err := s.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		return u
	}
	push := func(n int, name string) schemas.Reason {
		drawn := id(n)
		later := int64(0)
		if n%5 == 0 {
			later = 1e9
		}
		u := apply(&schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: drawn[:], Name: name, Ttl: 1000, DeliverAt: later}})
		if p := u.Push(pos); p != nil {
			return p.Never
		}
		return 0
	}
	for n := range many {
		push(n, "")
	}
	for n := many - 1; n >= 0; n-- {
		if got := push(n, id(n).String()); got != schemas.Reason_REASON_DUPLICATE {
			t.Fatalf("push %d said again: %v", n, got.Word())
		}
		if n%3 == 0 { // it is over: nobody remembers an id that was drawn
			apply(&schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Outcome: &schemas.Outcome{Position: uint64(n + 1), Class: schemas.Class_CLASS_LOST}})
			if got := push(n, id(n).String()); n%5 != 0 && got != 0 {
				t.Fatalf("push %d said again after its end: %v", n, got.Word())
			}
		}
		if n%10 == 0 {
			drawn := id(n)
			apply(&schemas.Event{Kind: schemas.Kind_KIND_CANCEL_ASKED, CancelAsked: &schemas.CancelAsked{PushId: drawn[:]}})
		}
	}
}

// TestStrangersCostNothing: what anybody may say of anybody makes no user.
func TestStrangersCostNothing(t *testing.T) {
	s := New()
	for _, kind := range []schemas.Kind{schemas.Kind_KIND_REFUSED, schemas.Kind_KIND_ACKED, schemas.Kind_KIND_DISCONNECTED, schemas.Kind_KIND_OPENED} {
		if u := s.Apply(1, 1, &schemas.Event{Kind: kind, App: "a", User: "made-up"}); u != nil || len(s.Users) != 0 {
			t.Errorf("%v made a user", kind)
		}
	}
}
