package e2e

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/e2e/ledger"
	"waybill/internal/wire"
	"waybill/schemas"
)

// TestTokenExpires: a connection ends with its token, and so does every ticket
// of that login. The phones have fresh ones and go on.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	short := claims{app: w.App.Name, kid: "dev", secret: w.App.Secret, expires: 4 * time.Second}
	stays := w.phone("stays", "phone", tokens(short.token(t, "stays"), w.tokenOf("stays")))
	store := &client.MemoryStore{}
	leaves := w.phone("leaves", "phone", tokens(short.token(t, "leaves")), stored(store))
	w.awaitConnected(stays, leaves)
	w.pushesTo("before", stays)
	w.pushesTo("before", leaves)
	w.awaitAllDelivered("leaves")
	if err := leaves.stop(); err != nil {
		t.Fatal(err)
	}
	w.push(request{User: "leaves", JSON: "meanwhile"})

	stays.awaitEnd(t, schemas.Reason_REASON_TOKEN_EXPIRED)
	stays.awaitHome(t, 2)
	w.pushesTo("after", stays)
	stays.expect(t, 2, 2, schemas.Reason_REASON_TOKEN_EXPIRED.Word())
	w.books.await(t, "the end of its connection", func(l *ledger.Ledger) bool {
		return l.Ends[schemas.Reason_REASON_TOKEN_EXPIRED] == 1
	})

	back := w.phone("leaves", "phone", tokens(w.tokenOf("leaves")), stored(store))
	back.awaitEnd(t, schemas.Reason_REASON_TOKEN_EXPIRED)
	back.awaitPushes(t, 1)
	w.pushesTo("after", back)
	back.expect(t, 2, 1, schemas.Reason_REASON_TOKEN_EXPIRED.Word())
}

// TestAnonymousDevice: where the app lets it in, a phone without a person gets
// pushes. When a person logs in on it, the session before ends for everybody who
// has its ticket, and the phone gets what the person is owed, from the beginning.
func TestAnonymousDevice(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	kiosk := claims{app: w.App.Name, kid: "dev", secret: w.App.Secret, expires: time.Hour}
	if no := w.answerTo(login(t, kiosk.token(t, ""), 0)); no != schemas.Reason_REASON_NOT_ADMITTED {
		t.Errorf("a device without a person is answered %s", no.Word())
	}
	w.setPolicy(&schemas.AppPolicy{Anonymous: true})
	poll(t, "the policy to be in force", func() error {
		if no := w.answerTo(login(t, kiosk.token(t, ""), 0)); no != 0 {
			return errors.New(no.Explain())
		}
		return nil
	})

	var who atomic.Value
	who.Store(kiosk.token(t, ""))
	store := &client.MemoryStore{}
	p := w.phone("anon:phone", "phone", stored(store), func(c *client.Config) {
		c.Token = func(context.Context) (string, error) { return who.Load().(string), nil }
		c.Addresses = w.gates[:1]
	})
	w.awaitConnected(p)
	w.pushesTo("welcome", p)
	w.awaitAllDelivered("anon:phone")
	before := loadState(t, store)

	w.push(request{User: "ann", JSON: "to ann"})
	who.Store(kiosk.token(t, "ann"))
	p.client.Relogin()
	if got := p.awaitPushes(t, 2); string(got[1].Body) != `"to ann"` {
		t.Errorf("ann got %s", got[1].Body)
	}
	copied := &client.MemoryStore{}
	saveState(t, copied, before)
	ghost := w.phone("anon:phone", "phone", stored(copied), nobody)
	ghost.awaitEnd(t, schemas.Reason_REASON_IDENTIFIED)

	w.push(request{User: "anon:phone", JSON: "to nobody"})
	w.push(request{User: "ann", JSON: "to ann again"})
	if got := p.awaitPushes(t, 3); string(got[2].Body) != `"to ann again"` {
		t.Errorf("ann got %s", got[2].Body)
	}
	if n := p.Homes(); n != 2 {
		t.Errorf("the phone came home %d times, want 2", n)
	}
}

// TestShiftChange: two drivers take turns with one phone. Each gets what is theirs
// and nothing twice, also what came before the other one's cursor: their pushes
// stand in one partition.
func TestShiftChange(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	var who atomic.Value
	who.Store(w.tokenOf("ann"))
	p := w.phone("ann", "phone", func(c *client.Config) {
		c.Token = func(context.Context) (string, error) { return who.Load().(string), nil }
	})
	w.awaitConnected(p)
	w.pushesTo("hello", p)
	drivers := []string{"ann", w.mateOf("ann")} // who has had hello, too
	handled, waits := 1, "hello"
	for shift := range 6 {
		now, next := drivers[shift%2], drivers[(shift+1)%2]
		if shift > 0 {
			who.Store(w.tokenOf(now))
			p.client.Relogin()
			p.awaitLast(t, handled+1, waits)
			handled++
		}
		if shift > 0 {
			waits = fmt.Sprint("for the shift after ", shift)
			w.push(request{User: next, JSON: waits})
		}
		for n := range 2 {
			text := fmt.Sprint("in shift ", shift, ", ", n)
			w.push(request{User: now, JSON: text})
			handled++
			p.awaitLast(t, handled, text)
		}
		w.awaitAllDelivered(now) // else the login of the next shift is owed it too
	}
}

// mateOf is a user of the same partition, who is owed a push that says hello.
func (w *world) mateOf(user string) string {
	w.t.Helper()
	for n := 0; ; n++ {
		mate := fmt.Sprint("mate-", n)
		w.push(request{User: mate, JSON: "hello"})
		if w.partitionOf(mate) == w.partitionOf(user) {
			return mate
		}
	}
}

// awaitLast waits until the phone has handled so many pushes; the last must say so.
func (p *phone) awaitLast(t testing.TB, n int, text string) {
	t.Helper()
	got := p.awaitPushes(t, n)
	if last := string(got[len(got)-1].Body); len(got) != n || last != fmt.Sprintf("%q", text) {
		t.Fatalf("push %d is %s, want push %d, %q", len(got), last, n, text)
	}
}

// answerTo a login on the first gate.
func (w *world) answerTo(login []byte) schemas.Reason {
	w.t.Helper()
	p := w.dial()
	defer p.nc.Close()
	p.write(login)
	return schemas.Reason(p.next(wire.KindResponse, wire.CmdLogin).Status)
}

// TestWindow: a device has no more pushes in flight than it asked for.
func TestWindow(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	token := w.tokenOf("ann")
	body := encode(t, &schemas.Login{Token: token, Hello: &schemas.Hello{
		Install: []byte("install-of-phone"), Count: 1, Limits: &schemas.Limits{Window: 2},
	}})
	narrow := w.dial()
	narrow.write(wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdLogin, Sequence: 1}, nil, body))
	resumed := position(t, narrow.next(wire.KindPush, wire.CmdResumed))
	narrow.write(wire.AppendAck(nil, wire.AckBody{Cursor: resumed}))
	// On the same gate, behind the first one in everything that it writes.
	wide := w.phone("ann", "tablet", func(c *client.Config) { c.Addresses = w.gates[:1] })
	w.awaitConnected(wide)
	const pushes = 5
	for n := range pushes {
		w.push(request{User: "ann", Family: 7, JSON: n})
	}
	wide.awaitPushes(t, pushes)
	var at []uint64
	for len(at) < 2 {
		at = append(at, position(t, narrow.nextOf(7)))
	}
	for len(at) < pushes {
		narrow.nothingBefore(uint64(len(at)))
		narrow.write(wire.AppendAck(nil, wire.AckBody{Cursor: at[len(at)-2]}))
		at = append(at, position(t, narrow.nextOf(7)))
	}
	narrow.nothingBefore(99)
}

// nothingBefore fails if a push was written before the answer to a request.
func (p *peer) nothingBefore(sequence uint64) {
	p.t.Helper()
	p.write(wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: sequence}, nil, nil))
	f, open := p.read()
	if !open || f.Kind != wire.KindResponse || f.Sequence != sequence {
		p.t.Fatalf("the gate wrote %v, want the answer to heartbeat %d", f.Header, sequence)
	}
}

// tokenOf is a good token of the user's phone.
func (w *world) tokenOf(user string) string {
	w.t.Helper()
	token, err := w.App.Token(user, "phone")
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// tokens are what the application has, one after another; the last one stays.
func tokens(list ...string) func(*client.Config) {
	return func(c *client.Config) {
		c.Token = func(context.Context) (string, error) {
			token := list[0]
			if len(list) > 1 {
				list = list[1:]
			}
			return token, nil
		}
	}
}
