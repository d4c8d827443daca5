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

// TestStrangersCostNothing: what anybody may say of anybody makes no user.
func TestStrangersCostNothing(t *testing.T) {
	s := New()
	for _, kind := range []schemas.Kind{schemas.Kind_KIND_REFUSED, schemas.Kind_KIND_ACKED, schemas.Kind_KIND_DISCONNECTED, schemas.Kind_KIND_OPENED} {
		if u := s.Apply(1, 1, &schemas.Event{Kind: kind, App: "a", User: "made-up"}); u != nil || len(s.Users) != 0 {
			t.Errorf("%v made a user", kind)
		}
	}
}
