package client

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// tokenOf is an unsigned token: the device reads no more of it.
func tokenOf(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

// person is who uses a phone at the moment.
type person struct{ atomic.Value }

func (p *person) is(name string) {
	claims := `{"app":"freight","device":"phone","exp":1}`
	if name != "" {
		claims = fmt.Sprintf(`{"app":"freight","sub":%q,"device":"phone"}`, name)
	}
	p.Store(tokenOf(claims))
}

func (p *person) signsIn(cfg *Config) {
	cfg.Token = func(context.Context) (string, error) { return p.Load().(string), nil }
}

// ticket is a Welcome's.
func ticket(name string) *schemas.Welcome {
	w := welcome()
	w.Ticket = []byte(name)
	return w
}

// loginOf accepts a connection whose first frame must be a login.
func (g *fakeGate) loginOf(w *schemas.Welcome) (*gateConn, *schemas.Login) {
	g.t.Helper()
	c := g.accept()
	f := c.next()
	if f.Command != wire.CmdLogin {
		g.t.Fatalf("first frame is %v, want a login", f.Header)
	}
	m := &schemas.Login{}
	unmarshal(g.t, f.payload, m)
	c.respond(f, 0, marshal(g.t, w))
	return c, m
}

func TestAnonymousDeviceIsIdentified(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		var who person
		who.is("")
		d := g.start(who.signsIn)
		c, m := g.loginOf(ticket("first"))
		if len(m.Identifies) != 0 {
			t.Errorf("the first login identifies %q", m.Identifies)
		}
		c.nc.Close()
		c, _ = g.loginWith(ticket("second")) // a resume
		c.push(7, 0)
		c.wantAck(7, 0)

		who.is("ann")
		d.Relogin()
		c.gone()
		c = g.accept()
		m = &schemas.Login{}
		unmarshal(t, c.next().payload, m)
		if string(m.Identifies) != "second" || m.Token != who.Load() || m.Hello.Cursor != 0 {
			t.Errorf("login identifies %q with cursor %d", m.Identifies, m.Hello.Cursor)
		}
		c.nc.Close() // unanswered: it is said again
		c, m = g.loginOf(ticket("third"))
		if string(m.Identifies) != "second" {
			t.Errorf("the next try identifies %q", m.Identifies)
		}
		c.push(3, 0) // of a user of his own, so older is not old
		c.wantAck(3, 0)
		d.wantHandled(7, 3)
		if s := d.state(); s.User != "freight/ann" || s.Anonymous != nil || s.Cursor != 3 || string(s.Ticket) != "third" {
			t.Errorf("state is %+v", s)
		}
		d.Relogin() // the same person
		c.gone()
		if _, m = g.loginOf(welcome()); len(m.Identifies) != 0 || m.Hello.Cursor != 3 {
			t.Errorf("login again identifies %q, cursor %d", m.Identifies, m.Hello.Cursor)
		}
		d.end()
	})
}

// The token of an anonymous session ends: the session's last ticket is kept.
func TestExpiredAnonymousTicket(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		var who person
		who.is("")
		d := g.start(who.signsIn)
		c, _ := g.loginOf(ticket("first"))
		who.is("ann")
		c.close(&schemas.Close{Reason: schemas.Reason_REASON_TOKEN_EXPIRED, Reconnect: true})
		if _, m := g.loginOf(welcome()); string(m.Identifies) != "first" {
			t.Errorf("login identifies %q", m.Identifies)
		}
		d.end()
	})
}

// A handler that still works on the push of somebody else moves nobody's cursor.
func TestSlowHandlerAcrossUsers(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		var who person
		who.is("ann")
		release := make(chan struct{})
		d := g.start(func(cfg *Config) {
			who.signsIn(cfg)
			handle := cfg.Handler
			cfg.Handler = func(ctx context.Context, p Push) error {
				if p.Position == 1000 {
					<-release
				}
				return handle(ctx, p)
			}
		})
		c, _ := g.loginOf(welcome())
		c.push(1000, 0)
		synctest.Wait()
		who.is("bob")
		d.Relogin()
		c, m := g.loginOf(welcome())
		if m.Hello.Cursor != 0 {
			t.Errorf("cursor is %d", m.Hello.Cursor)
		}
		c.push(5, 0)
		close(release)
		d.wantHandled(1000, 5)
		for cursor := uint64(0); cursor != 5; { // what ann's push moves is nothing
			f := c.next()
			a, err := wire.ParseAckBody(f.payload)
			if err != nil || a.Cursor != 0 && a.Cursor != 5 {
				t.Fatalf("device sent %s", wire.Describe(f.Header, f.payload))
			}
			cursor = a.Cursor
		}
		if s := d.state(); s.Cursor != 5 || s.User != "freight/bob" {
			t.Errorf("state is %+v", s)
		}
		d.end()
	})
}

func TestRelogin(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		var who person
		who.is("ann")
		d := g.start(who.signsIn)

		c := g.accept() // it is logging in: that login is not what was asked for
		f := c.next()
		who.is("bob")
		d.Relogin()
		c.respond(f, 0, marshal(t, welcome()))
		c.gone()
		c, m := g.loginOf(welcome())
		if m.Token != who.Load() {
			t.Error("device is logged in as somebody else")
		}

		c.close(&schemas.Close{Reason: schemas.Reason_REASON_SUPERSEDED, Reconnect: true})
		d.wantNotice(Disconnected)
		for n := (Notice{}); n.Wait < defaultBackoffCap; { // that wait is cut short
			n = d.wantNotice(Disconnected)
		}
		synctest.Wait()
		begin := time.Now()
		d.Relogin()
		g.loginOf(welcome())
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("device came after %v", waited)
		}
		d.end()
	})
}

func TestTokensThatCannotBeRead(t *testing.T) {
	for _, token := range []string{"", "t", "a.b", "a.!.c", tokenOf("7"), tokenOf("{")} {
		if user := userOf(token); user != "" {
			t.Errorf("%q names %q", token, user)
		}
	}
	for claims, want := range map[string]string{
		`{"app":"a","sub":"b/anon:c","device":"d"}`: "a/b/anon:c",
		`{"app":"a","device":"d"}`:                  "a/anon:d",
	} {
		if user := userOf(tokenOf(claims)); user != want || nobody(user) != (want == "a/anon:d") {
			t.Errorf("%s names %q, want %q", claims, user, want)
		}
	}
}

// Where tokens say nothing, the cursor stays through every login.
func TestOpaqueTokens(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		c, _ := g.login()
		c.push(9, 0)
		c.wantAck(9, 0)
		d.Relogin()
		if _, m := g.loginOf(welcome()); m.Hello.Cursor != 9 {
			t.Errorf("cursor is %d, want 9", m.Hello.Cursor)
		}
		d.end()
	})
}

// After a restart the device goes to its last gate first, then to those that it
// named, then to where it was told to begin.
func TestLastGateFirst(t *testing.T) {
	bubble(t, func(t *testing.T, g *fakeGate) {
		d := g.start(nil)
		w := welcome()
		w.Address, w.Others = "last:1", []string{"other:1"}
		g.loginWith(w)
		d.wantNotice(Connected)
		d.end()
		d.run()
		var got []string
		for range 3 {
			c := g.accept()
			got = append(got, c.address)
			c.nc.Close()
		}
		if want := []string{"last:1", "gate:1", "other:1"}; !equal(got, want) {
			t.Errorf("device tried %v, want %v", got, want)
		}
		d.end()
	})
}
