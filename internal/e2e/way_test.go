package e2e

import (
	"testing"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

func TestOnePush(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)
	a := w.push(request{User: "driver-1", JSON: map[string]int{"order": 1}, Label: "order"})
	got := p.awaitPushes(t, 1)
	if id := a.id(t, 0); schemas.ID(got[0].ID) != id || string(got[0].Body) != `{"order":1}` {
		t.Fatalf("got push %x with %s, want %v", got[0].ID, got[0].Body, id)
	}
	w.books.await(t, "the outcome", func(l *ledger.Ledger) bool { return len(l.Order) == 1 && l.Unended == 0 })
}
