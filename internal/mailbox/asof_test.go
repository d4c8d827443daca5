package mailbox_test

import (
	"testing"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// TestRestoredUserWaitsForItsRows: a user of whom nothing was read since the
// takeover does not come back from rows that are older than those of the takeover,
// as a replay of dropped tables has them.
func TestRestoredUserWaitsForItsRows(t *testing.T) {
	s := mailbox.New()
	rows := func() *mailbox.User { return &mailbox.User{Key: "a/u", App: "a", Name: "u"} }
	s.Restore(rows(), nil)
	u := s.Users["a/u"]
	u.AsOf(100)
	s.Evict(u, mailbox.Rest{}, 0)
	s.Want("a/u", 120)
	s.Wants(1)
	back := func(asOf schemas.Position) bool {
		return s.Return(&mailbox.Rows{User: rows()}, asOf, func(*mailbox.User, schemas.Position) {}) != nil
	}
	if back(50) {
		t.Error("it came back from rows as of 50")
	}
	s.Wants(1)
	if !back(100) {
		t.Error("it did not come back from rows as of 100")
	}
}
