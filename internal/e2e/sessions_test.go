package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// TestSessions are reports from the field, of other platforms: what a person
// with a phone does, and what must not come of it.
func TestSessions(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	t.Run("a client kicked by its own stale socket after a Wi-Fi switch", w.on(staleSocket))
	t.Run("messages lost during takeover", w.on(takeover))
	t.Run("a killed app that comes back and kicks the newer login", w.on(killedApp))
	t.Run("a killed app on a phone that was replaced", w.on(replacedPhone))
	t.Run("a phone restored from a backup", w.on(restoredPhone))
	t.Run("a phone restored from a backup of an older login", w.on(restoredOlder))
}

// on runs a test in the world.
func (w *world) on(test func(*world)) func(*testing.T) {
	return func(t *testing.T) {
		here := *w
		here.t = t
		test(&here)
	}
}

// The phone moves to another gate; its old socket stays open on the first one,
// which is told to close it. The phone must not take that for its own end.
func staleSocket(w *world) {
	air := &air{t: w.t, gate: w.gates[0]}
	p := w.phone("wifi", "phone", air.carries)
	w.awaitConnected(p)
	w.pushesTo("on Wi-Fi", p)

	air.moveTo(w.gates[1])
	p.awaitHome(w.t, 2)
	if why := air.awaitClose(w.t, 0); why != schemas.Reason_REASON_SUPERSEDED {
		w.t.Errorf("the socket that was left is closed with %s, want superseded", why.Word())
	}
	w.pushesTo("on mobile", p)
	p.expect(w.t, 2, 2, "")
}

// Pushes come all the time while the phone moves to and fro, and every socket
// that it leaves may still hold some of them.
func takeover(w *world) {
	air := &air{t: w.t, gate: w.gates[0]}
	p := w.phone("mover", "phone", air.carries)
	w.awaitConnected(p)
	const pushes, each = 40, 8
	for n := range pushes {
		w.push(request{User: p.user, JSON: n})
		switch move := n/each + 1; n % each {
		case each / 2:
			air.moveTo(w.gates[move%2])
		case each - 1:
			p.awaitHome(w.t, 1+move)
		}
	}
	for n, got := range p.awaitPushes(w.t, pushes) {
		if string(got.Body) != fmt.Sprint(n) {
			w.t.Fatalf("push %d is %s", n, got.Body)
		}
	}
	w.pushesTo("the last one", p)
	p.expect(w.t, pushes+1, 1+pushes/each, "")
	w.awaitAllDelivered(p.user)
}

// awaitAllDelivered waits until the log says of every push to the user that it was.
func (w *world) awaitAllDelivered(user string) {
	w.t.Helper()
	w.books.await(w.t, "every push to "+user+" to be delivered", func(l *ledger.Ledger) bool {
		return !slices.ContainsFunc(l.Places(), func(at ledger.Place) bool {
			return at.User == user && !ledger.Delivered(l.Pushes[at].Whole)
		})
	})
}

// The application is killed, installed anew and logged in. Then the old process
// comes back with its ticket, and nobody there to log in.
func killedApp(w *world) {
	old := &client.MemoryStore{}
	w.runOnce("reinstalled", "phone", old)
	p := w.phone("reinstalled", "phone")
	w.awaitConnected(p)

	ghost := w.phone("reinstalled", "phone", stored(old), nobody)
	ghost.awaitEnd(w.t, schemas.Reason_REASON_SESSION_ENDED)
	ghost.await(w.t, "the old process to have nobody to log in", func() bool { return ghost.ended(errNobody.Error()) })
	w.pushesTo("to who is logged in", p)
	p.expect(w.t, 1, 1, "")
	if n := ghost.Homes(); n != 0 {
		w.t.Errorf("the old process came home %d times", n)
	}
}

// The same with another phone, where the user may have only one. It was kicked
// while it was away, and hears so.
func replacedPhone(w *world) {
	w.setPolicy(&schemas.AppPolicy{Devices: schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER})
	defer w.setPolicy(&schemas.AppPolicy{Devices: schemas.DevicePolicy_DEVICE_POLICY_MANY})
	old := &client.MemoryStore{}
	w.runOnce("replaced", "old", old)
	p := w.phone("replaced", "new")
	w.awaitConnected(p)
	w.pushesTo("to the new one", p)

	ghost := w.phone("replaced", "old", stored(old))
	ghost.awaitKick(w.t)
	w.pushesTo("to the new one again", p)
	p.expect(w.t, 2, 1, "")
}

// The count of a restored phone is too low: it draws a new install and goes on.
// What it had acknowledged since the backup does not come again.
func restoredPhone(w *world) {
	store := &client.MemoryStore{}
	w.runOnce("restored", "phone", store)
	backup := loadState(w.t, store)
	for range 3 {
		w.runOnce("restored", "phone", store)
	}
	p := w.restored("restored", backup)
	p.awaitEnd(w.t, schemas.Reason_REASON_STALE_LOGIN)
	w.awaitConnected(p)
	w.pushesTo("after the backup", p)
	p.expect(w.t, 1, 1, schemas.Reason_REASON_STALE_LOGIN.Word())
}

// The backup's session is not the newest any more: it logs in.
func restoredOlder(w *world) {
	store := &client.MemoryStore{}
	w.runOnce("restored-older", "phone", store)
	backup, now := loadState(w.t, store), loadState(w.t, store)
	now.Ticket = nil // a new login
	saveState(w.t, store, now)
	w.runOnce("restored-older", "phone", store)

	p := w.restored("restored-older", backup)
	p.awaitEnd(w.t, schemas.Reason_REASON_SESSION_ENDED)
	w.awaitConnected(p)
	w.pushesTo("after the backup", p)
	p.expect(w.t, 1, 1, schemas.Reason_REASON_SESSION_ENDED.Word())
}

// runOnce is a phone that connects, gets a push and is switched off.
func (w *world) runOnce(user, device string, store client.Store) {
	w.t.Helper()
	p := w.phone(user, device, stored(store))
	w.awaitConnected(p)
	w.pushesTo("once", p)
	w.awaitAllDelivered(user) // else the next login is owed it too
	if err := p.stop(); err != nil {
		w.t.Fatal(err)
	}
}

// restored is a phone that runs on a backup.
func (w *world) restored(user string, backup client.State) *phone {
	w.t.Helper()
	store := &client.MemoryStore{}
	saveState(w.t, store, backup)
	return w.phone(user, "phone", stored(store))
}

func stored(s client.Store) func(*client.Config) {
	return func(c *client.Config) { c.Store = s }
}

var errNobody = errors.New("nobody is there to log in")

// nobody has no token.
func nobody(c *client.Config) {
	c.Token = func(context.Context) (string, error) { return "", errNobody }
}

func loadState(t testing.TB, s client.Store) client.State {
	t.Helper()
	state, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return state
}

func saveState(t testing.TB, s client.Store, state client.State) {
	t.Helper()
	if err := s.Save(state); err != nil {
		t.Fatal(err)
	}
}

// ended says that a connection, or a try to have one, ended for that.
func (p *phone) ended(why string) bool {
	return slices.ContainsFunc(p.Ends(), func(err error) bool { return err != nil && strings.Contains(err.Error(), why) })
}

func (p *phone) awaitEnd(t testing.TB, why schemas.Reason) {
	t.Helper()
	p.await(t, p.name()+" to be closed with "+why.Word(), func() bool { return p.ended(why.Word()) })
}

func (p *phone) awaitHome(t testing.TB, n int) {
	t.Helper()
	p.await(t, fmt.Sprintf("%s to be at home %d times", p.name(), n), func() bool { return p.Homes() >= n && p.Online() })
}

// expect checks what the phone has had: pushes once and in order, so many homes,
// and no close by a gate but for that reason.
func (p *phone) expect(t testing.TB, pushes, homes int, closed string) {
	t.Helper()
	if n := len(p.got()); n != pushes {
		t.Errorf("%s has handled %d pushes, want %d", p.name(), n, pushes)
	}
	if n := p.Homes(); n != homes {
		t.Errorf("%s came home %d times, want %d", p.name(), n, homes)
	}
	for _, err := range p.Ends() {
		if err != nil && strings.Contains(err.Error(), "closed by the gate") && (closed == "" || !strings.Contains(err.Error(), closed)) {
			t.Errorf("%s: %v", p.name(), err)
		}
	}
	for _, d := range p.disorder {
		t.Error(d)
	}
}

// air carries a phone from network to network: the sockets that it leaves stay
// open, and no gate is told.
type air struct {
	t testing.TB

	mu   sync.Mutex
	gate string // where every dial goes
	left []*leftConn
}

func (a *air) carries(c *client.Config) { c.Dial = a.dial }

func (a *air) dial(ctx context.Context, _ string) (net.Conn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", a.gate)
	if err != nil {
		return nil, err
	}
	a.t.Cleanup(func() { _ = nc.Close() })
	r := &leftConn{Conn: nc}
	a.left = append(a.left, r)
	return r, nil
}

// moveTo takes the phone's network away; it finds that gate in the next one.
func (a *air) moveTo(gate string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gate = gate
	if n := len(a.left); n > 0 {
		_ = a.left[n-1].Close()
	}
}

// awaitClose reads the nth socket that was left until its gate closes it.
func (a *air) awaitClose(t testing.TB, n int) schemas.Reason {
	t.Helper()
	a.mu.Lock()
	nc := a.left[n].Conn
	a.mu.Unlock()
	p := &peer{t: t, nc: nc, r: bufio.NewReader(nc)}
	return p.readEnd().closed.GetReason()
}

// leftConn is a socket that its phone can leave, and no more: the gate sees it open.
type leftConn struct{ net.Conn }

func (r *leftConn) Close() error { return r.SetDeadline(time.Unix(1, 0)) }
