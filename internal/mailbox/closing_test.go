package mailbox

import (
	"testing"

	"waybill/schemas"
)

// TestClosingBound: when gates do not answer, what goes from the list is what
// nobody can be behind: a phone with many connections makes another's forgotten
// neither for its own user's devices nor for its own copy.
func TestClosingBound(t *testing.T) {
	s := New()
	pos := schemas.Position(0)
	connect := func(device string, install byte) schemas.ConnID {
		pos++
		conn := schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(pos)}
		session := schemas.ID{0: byte(pos >> 8), 1: byte(pos)}
		e := &schemas.Event{
			Kind: schemas.Kind_KIND_CONNECTED, App: "a", User: "u", Device: device, Session: session[:],
			Connected: &schemas.Connected{Login: true, Install: []byte{15: install}, Count: uint64(pos)},
		}
		e.SetConn(conn)
		s.Apply(pos, int64(pos), e)
		if err := s.CheckInvariants(); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	copied := connect("phone", 1)
	connect("phone", 2)
	connect("tablet", 3)
	for range 3 * maxClosing {
		connect("phone", 2)
	}
	newest := connect("tablet", 4)
	u := s.Users["a/u"]
	if len(u.Closing) != maxClosing {
		t.Fatalf("%d closing, want %d", len(u.Closing), maxClosing)
	}
	for name, want := range map[string]bool{"phone": true, "tablet": true} {
		if _, is := last(u.Closing, name); is != want {
			t.Errorf("a closing connection of the %s: %v, want %v", name, is, want)
		}
	}
	if u.Closing[0].Conn != copied {
		t.Errorf("the oldest is %v, want that of the copy, which has no newer one", u.Closing[0].Conn)
	}
	if d := u.Devices[1]; d.Conn != newest {
		t.Errorf("the tablet's route is %v, want %v", d.Conn, newest)
	}
}

// last of the device's on the list.
func last(list []Closing, device string) (found Closing, ok bool) {
	for _, c := range list {
		if c.Device == device {
			found, ok = c, true
		}
	}
	return found, ok
}

func TestDamping(t *testing.T) {
	for n, want := range map[uint16]int64{0: 0, 3: 0, 4: 2e6, 5: 4e6, 11: 256e6, 12: 300e6, 60000: 300e6} {
		if got := Damping(n); got != want {
			t.Errorf("the time %d: %d µs, want %d", n, got, want)
		}
	}
}
