package mailbox

import (
	"fmt"
	"testing"

	"waybill/schemas"
)

// crowd is a user with many devices, one after the other.
type crowd struct {
	t     *testing.T
	state *State
	pos   schemas.Position
	now   int64
}

func (c *crowd) apply(e *schemas.Event) {
	c.t.Helper()
	c.pos++
	c.now++
	e.App, e.User = "a", "u"
	c.state.Apply(c.pos, c.now, e)
	if err := c.state.CheckInvariants(); err != nil {
		c.t.Fatal(err)
	}
}

// session of the device's login at that position.
func session(at schemas.Position) []byte { return []byte{14: byte(at >> 8), 15: byte(at), 0: 1} }

func (c *crowd) login(device string) (at schemas.Position) {
	c.t.Helper()
	at = c.pos + 1
	c.connect(device, at, &schemas.Connected{Login: true, Install: session(at), Count: 1})
	return at
}

func (c *crowd) connect(device string, login schemas.Position, b *schemas.Connected) {
	c.t.Helper()
	e := &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, Device: device, Session: session(login), Connected: b}
	e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(c.pos) + 1})
	c.apply(e)
}

func (c *crowd) end(device string, login schemas.Position) {
	c.t.Helper()
	c.apply(&schemas.Event{
		Kind: schemas.Kind_KIND_SESSION_ENDED, Device: device,
		SessionEnded: &schemas.SessionEnded{Session: session(login), Reason: schemas.Reason_REASON_REVOKED},
	})
}

func (c *crowd) user() *User { return c.state.Users["a/u"] }

// fill has n devices log in and out.
func (c *crowd) fill(n int) (first schemas.Position) {
	c.t.Helper()
	for i := range n {
		device := fmt.Sprint("phone ", i)
		at := c.login(device)
		if i == 0 {
			first = at
		}
		c.end(device, at)
	}
	return first
}

// TestSlotsAreUsedAgain: once tickets are dead, the slot of an ended session is
// another device's, with nothing of the former one; and its tickets stay dead.
func TestSlotsAreUsedAgain(t *testing.T) {
	c := &crowd{t: t, state: New(), now: 1e15}
	c.apply(&schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{PushId: session(9), Ttl: 1 << 40}})
	first := c.fill(manySlots)
	c.login("soon")
	if n := len(c.user().Devices); n != manySlots+1 {
		t.Fatalf("%d slots, want one more: tickets live", n)
	}
	c.now += ticketAge
	at := c.login("late")
	u := c.user()
	if i := u.Device("late"); i != 0 || len(u.Devices) != manySlots+1 || u.Devices[0].LoginAt != at || u.Devices[0].Floor != first {
		t.Errorf("the device has slot %d of %d: %+v", i, len(u.Devices), u.Devices[0])
	}
	if cp := u.Pushes[0].Copy(0); !cp.Owed || cp.Acked || !cp.Routed {
		t.Errorf("the new device's copy is %+v", *cp)
	}
	c.connect("phone 0", first, &schemas.Connected{LoginAt: uint64(first), Install: session(first), Count: 2})
	if last := u.Closing[len(u.Closing)-1]; u.Device("phone 0") >= 0 || last.Reason != schemas.Reason_REASON_SESSION_ENDED {
		t.Errorf("a dead ticket of the former device: %+v", last)
	}
	if c.login("phone 0"); u.Device("phone 0") < 0 {
		t.Error("a new login of the former device does not count")
	}
}

// TestSlotsAreBounded: ended sessions give way before tickets are dead where there
// are very many; who is logged in, or is owed something, never does.
func TestSlotsAreBounded(t *testing.T) {
	c := &crowd{t: t, state: New(), now: 1e15}
	c.login("mine")
	c.fill(2 * mostSlots)
	u := c.user()
	if len(u.Devices) != mostSlots || u.Device("mine") != 0 {
		t.Errorf("%d slots, mine is %d", len(u.Devices), u.Device("mine"))
	}
	for i := range mostSlots {
		c.login(fmt.Sprint("live ", i))
	}
	if u.Device("mine") != 0 || len(u.Devices) <= mostSlots {
		t.Errorf("%d slots, mine is %d: somebody who lives lost its own", len(u.Devices), u.Device("mine"))
	}
}
