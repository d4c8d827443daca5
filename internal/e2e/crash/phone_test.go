package crash

import (
	"testing"

	"waybill/client"
	"waybill/internal/e2e/ledger"
)

// hand the phone a push that is in the ledger.
func (x *theirs) hand(t *testing.T, position uint64) {
	t.Helper()
	p := x.ledger.Pushes[ledger.Place{User: "anna", Position: position}]
	err := x.phone.handle(t.Context(), client.Push{
		Position: position, ID: p.ID, Trace: p.Trace, Family: uint16(p.Family), Command: uint16(p.Command), Body: []byte(p.Body),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPhoneRefusesWhatItCannotRead(t *testing.T) {
	p := &phone{handled: make(map[int]uint64)}
	if err := p.handle(t.Context(), client.Push{Position: 1, Body: []byte("x")}); err == nil {
		t.Error("a body that is no number was taken")
	}
}
