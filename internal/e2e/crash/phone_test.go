package crash

import (
	"testing"

	"waybill/client"
)

// hand the phone a push.
func (x *theirs) hand(t *testing.T, position uint64, body string) {
	t.Helper()
	if err := x.phone.handle(t.Context(), client.Push{Position: position, Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
}

func TestPhoneRefusesWhatItCannotRead(t *testing.T) {
	p := &phone{handled: make(map[int]uint64)}
	if err := p.handle(t.Context(), client.Push{Position: 1, Body: []byte("x")}); err == nil {
		t.Error("a body that is no number was taken")
	}
}
