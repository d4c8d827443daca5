package mailbox_test

import (
	"testing"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// phone logs in and resumes with tickets that it has kept.
type phone struct {
	t     *testing.T
	state *mailbox.State
	next  int64
	conns uint64
}

// connect is a login (at = 0) or a resume of the session whose login stands at
// that position; it says where the connected stands, and why it must be closed.
func (p *phone) connect(at schemas.Position) (schemas.Position, schemas.Reason) {
	pos := schemas.At(0, p.next)
	login := at
	if at == 0 {
		login = pos
	}
	session := sessionAt(login)
	p.conns++
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_CONNECTED, Session: session[:],
		Connected: &schemas.Connected{Login: at == 0, LoginAt: uint64(at), Count: p.conns},
	}
	e.SetConn(schemas.ConnID{Gate: 1, Incarnation: p.conns, Number: p.conns})
	p.apply(e)
	u := p.state.Users["app/u"]
	for _, c := range u.Closing {
		if c.Conn == e.Conn() {
			return pos, c.Reason
		}
	}
	if u.Devices[0].Conn != e.Conn() {
		p.t.Fatalf("%v is neither the route nor closing", e.Conn())
	}
	return pos, 0
}

func (p *phone) apply(e *schemas.Event) {
	e.App, e.User, e.Device = "app", "u", "phone"
	p.state.Apply(schemas.At(0, p.next), p.next, e)
	p.next++
	if err := p.state.CheckInvariants(); err != nil {
		p.t.Fatal(err)
	}
}

// end ends the session whose login stands there.
func (p *phone) end(at schemas.Position, reason schemas.Reason) {
	session := sessionAt(at)
	p.apply(&schemas.Event{
		Kind: schemas.Kind_KIND_SESSION_ENDED, SessionEnded: &schemas.SessionEnded{Session: session[:], Reason: reason},
	})
}

// sessionAt is the id of the session whose login stands there.
func sessionAt(at schemas.Position) schemas.ID { return schemas.NamedID("", "", at.String()) }

// TestOldTickets: however many sessions a device has had, none of them but the
// newest comes back, and that one only while it lives.
func TestOldTickets(t *testing.T) {
	p := &phone{t: t, state: mailbox.New()}
	var tickets []schemas.Position
	for n := range 200 {
		at, reason := p.connect(0)
		if reason != 0 {
			t.Fatalf("login %d is closed: %s", n, reason.Word())
		}
		if tickets = append(tickets, at); n%3 == 0 {
			p.end(at, schemas.Reason_REASON_KICKED)
		}
	}
	newest := tickets[len(tickets)-1]
	refuse := func(when string) {
		t.Helper()
		for _, at := range tickets[:len(tickets)-1] {
			if _, reason := p.connect(at); reason != schemas.Reason_REASON_SESSION_ENDED {
				t.Fatalf("%s, the ticket of %v is answered %q", when, at, reason.Word())
			}
		}
	}
	refuse("while the newest session lives")
	if _, reason := p.connect(newest); reason != 0 {
		t.Fatalf("the newest session is closed: %s", reason.Word())
	}
	p.end(newest, schemas.Reason_REASON_LOGGED_OUT)
	refuse("after its logout")
	if _, reason := p.connect(newest); reason != schemas.Reason_REASON_LOGGED_OUT {
		t.Fatalf("the newest session, after its logout, is answered %q", reason.Word())
	}
}
