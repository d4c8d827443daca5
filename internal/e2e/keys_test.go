package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/app"
	"waybill/internal/control"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/wire"
	"waybill/schemas"
)

// Keys rotate under phones that come and go: nobody logs in for that, not on a
// gate that has been started since, nor with a ticket of long ago.
func TestClusterKeysRotate(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	w := start(t, cfg)
	store := &client.MemoryStore{}
	w.runOnce("driver-1", "phone", store)
	first := loadState(t, store)
	w.rotate(cfg, 1)
	w.resumes("driver-1", store, first) // before anybody seals with the new key
	w.awaitKey(1)
	w.resumes("driver-1", store, first)
	second := loadState(t, store)
	if key := keyOf(second.Ticket); key != 1 {
		t.Fatalf("the ticket is sealed with key %d, want 1", key)
	}
	w.rotate(cfg, 2)
	for n := range cfg.Gates {
		if err := w.Stop(app.DevGate(n + 1)); err != nil {
			t.Error(err)
		}
		w.restart(app.DevGate(n + 1))
	}
	w.resumes("driver-1", store, second)
}

// rotate is `waybill migrate --rotate-key`.
func (w *world) rotate(cfg setup, want uint32) {
	w.t.Helper()
	configured, err := os.ReadFile(filepath.Join(cfg.Dir, "cluster.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := bounded(w.t)
	defer cancel()
	if id, err := control.RotateKey(ctx, w.log, control.Rotation{Configured: configured}); err != nil || id != want {
		w.t.Fatalf("rotated to key %d, %v; want %d", id, err, want)
	}
}

// keyOf is the id of the key that sealed a ticket; 0 = the configured one.
func keyOf(ticket []byte) (id uint32) {
	if len(ticket) > 4 && ticket[0] == 2 {
		id = uint32(ticket[4]) // no test has more than 255
	}
	return id
}

// awaitKey waits until each gate seals with the key.
func (w *world) awaitKey(want uint32) {
	w.t.Helper()
	for _, gate := range w.gates {
		here := *w
		here.gates = []string{gate}
		poll(w.t, "a ticket of "+gate, func() error {
			if key := keyOf(here.welcomed("somebody").Ticket); key != want {
				return fmt.Errorf("it is sealed with key %d, not yet %d", key, want)
			}
			return nil
		})
	}
}

// welcomed is the answer to a login on the first gate.
func (w *world) welcomed(user string) *schemas.Welcome {
	w.t.Helper()
	token, err := w.App.Token(user, "phone")
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.dial()
	p.write(login(w.t, token, 0))
	welcome := decode(w.t, p.next(wire.KindResponse, wire.CmdLogin).payload, &schemas.Welcome{})
	_ = p.nc.Close()
	return welcome
}

// resumes is a phone that comes back with a ticket, and would have no token.
func (w *world) resumes(user string, store client.Store, with client.State) {
	w.t.Helper()
	now := loadState(w.t, store)
	now.Ticket = with.Ticket
	saveState(w.t, store, now)
	p := w.phone(user, "phone", stored(store), nobody)
	w.awaitConnected(p)
	w.pushesTo("to who has resumed", p)
	p.expect(w.t, 1, 1, "")
	w.awaitAllDelivered(user)
	if err := p.stop(); err != nil {
		w.t.Fatal(err)
	}
}

// Whoever is revoked is closed, stays away with their tickets, and may log in.
func TestRevoke(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	store := &client.MemoryStore{}
	w.runOnce("driver-1", "tablet", store)
	phone, spared := w.phone("driver-1", "phone"), w.phone("driver-2", "phone")
	w.awaitConnected(phone, spared)

	began := time.Now()
	ctx, cancel := bounded(t)
	defer cancel()
	r := control.Revocation{App: w.App.Name, User: "driver-1"}
	if err := app.Revoke(ctx, w.Base, r, patience); err != nil {
		t.Fatal(err)
	}
	phone.awaitRevoked(t)
	t.Logf("revoked and closed within %s", time.Since(began))

	ghost := w.phone("driver-1", "tablet", stored(store), nobody)
	ghost.awaitRevoked(t)
	if n := ghost.Homes(); n != 0 {
		t.Errorf("the revoked tablet came home %d times", n)
	}
	w.books.await(t, "the ends of both sessions, and the refused resume", func(l *ledger.Ledger) bool {
		return l.Kinds[schemas.Kind_KIND_SESSION_ENDED] >= 2 && l.Kinds[schemas.Kind_KIND_REFUSED] >= 1
	})

	w.push(request{User: "driver-1", JSON: "meanwhile"})
	again := w.phone("driver-1", "tablet", stored(store))
	if got := again.awaitPushes(t, 1); string(got[0].Body) != `"meanwhile"` {
		t.Errorf("got %s first, want what came meanwhile", got[0].Body)
	}
	w.pushesTo("to the new session", again)
	again.expect(t, 2, 1, "")
	w.pushesTo("to somebody else", spared)
	spared.expect(t, 1, 1, "")
}

// awaitRevoked waits until the phone was told so, and has gone for good.
func (p *phone) awaitRevoked(t testing.TB) {
	t.Helper()
	p.await(t, p.name()+" to be revoked", func() bool { return len(p.Ends()) > 0 })
	var end *client.ClosedError
	if err := p.stop(); !errors.As(err, &end) || end.Reason != schemas.Reason_REASON_REVOKED {
		t.Errorf("%s ended with %v, want revoked", p.name(), err)
	}
	p.stop = func() error { return nil } // it has, and this is how it should
}

// A gate that cannot read who is revoked lets nobody in, and holds who is there.
func TestLoginsWaitForControl(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	cfg.StageFaults = make(map[string]*eventlog.Faults)
	for n := range cfg.Gates {
		cfg.StageFaults[app.DevGate(n+1)] = new(eventlog.Faults)
	}
	w := start(t, cfg)
	there := w.phone("driver-1", "phone")
	w.awaitConnected(there)
	for _, f := range cfg.StageFaults {
		f.Fail(eventlog.ControlTopic, 0, errors.New("the control topic is away"))
	}
	poll(t, "the gates to turn logins away", func() error { return w.turnsAway("somebody") })

	late := w.phone("driver-2", "phone")
	late.await(t, "the late phone to be told to wait", func() bool { return late.ended(schemas.Reason_REASON_BUSY.Word()) })
	w.pushesTo("to who is there", there)
	for _, f := range cfg.StageFaults {
		f.Clear()
	}
	w.awaitConnected(late)
	w.pushesTo("to who was late", late)
	there.expect(t, 1, 1, "")
	late.expect(t, 1, 1, schemas.Reason_REASON_BUSY.Word())
}

// turnsAway is nil when the first gate answers busy.
func (w *world) turnsAway(user string) error {
	token, err := w.App.Token(user, "phone")
	if err != nil {
		return err
	}
	p := w.dial()
	defer func() { _ = p.nc.Close() }()
	p.write(login(w.t, token, 0))
	switch f, open := p.read(); {
	case !open:
		return errors.New("the gate says nothing")
	case f.Status != uint16(schemas.Reason_REASON_BUSY):
		return fmt.Errorf("it answers %s", strings.ToLower(schemas.Reason(f.Status).String()))
	}
	return nil
}
