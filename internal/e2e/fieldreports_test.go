package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"waybill/client"
	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/wire"
	"waybill/schemas"
)

// TestDeliveryReports are reports from the field, of other platforms: what
// becomes of a push on its way, and what must not. doc.go has the whole list.
func TestDeliveryReports(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, 0)
	t.Run("offline messages that vanish after a silent 24 hours", f.on(silentEnd))
	t.Run("a message seen twice when a reconnect overlaps a slow handler", f.on(slowHandler))
	t.Run("unacknowledged messages that wait for a reconnect that never comes", f.on(unacknowledged))
	t.Run("one message that crashes the application and blocks all behind it", f.on(poison))
	t.Run("five connections in bad coverage that throw good messages away", f.on(badCoverage))
	t.Run("a device that is connected and gets nothing: its worker dies", f.faulty(deafWorker))
	t.Run("a device that is connected and gets nothing: its gate hears nothing", f.faulty(deafGate))
	t.Run("a slow worker that turns into a storm of reconnects", f.faulty(slowWorker))
}

// TestRouteReports: a phone is offline soon after its last sign of life.
func TestRouteReports(t *testing.T) {
	t.Parallel()
	f := newFaulty(t, time.Second)
	t.Run("a route that says online 84 minutes after the last sign of life: the phone is gone", f.on(silentPhone))
	t.Run("a route that says online 84 minutes after the last sign of life: the gate is gone", f.faulty(silentGate))
}

// faulty is a world whose gates and worker can be cut off from the log.
type faulty struct {
	*world
	faults map[string]*eventlog.Faults // by stage
}

func newFaulty(t *testing.T, heartbeat time.Duration) *faulty {
	t.Helper()
	cfg := config(t)
	cfg.Heartbeat = heartbeat
	cfg.Settings.SilentLeases = 2
	cfg.StageFaults = make(map[string]*eventlog.Faults)
	for _, name := range []string{app.DevGate(1), app.DevGate(2), app.DevDelivery} {
		cfg.StageFaults[name] = new(eventlog.Faults)
	}
	return &faulty{start(t, cfg), cfg.StageFaults}
}

// faulty runs a test in the world; whatever it has broken is mended.
func (f *faulty) faulty(test func(*faulty)) func(*testing.T) {
	return f.on(func(w *world) {
		here := &faulty{w, f.faults}
		defer func() {
			for _, x := range f.faults {
				x.Clear()
			}
		}()
		test(here)
	})
}

// What its ttl ends is said, by an outcome and on its page; what has a longer
// one waits.
func silentEnd(w *world) {
	p := w.phone("silent", "phone")
	w.awaitConnected(p)
	w.switchOff(p)
	kept := w.pushTo(p.user, "kept", optioned{}, taken)
	short := w.pushTo(p.user, "short", optioned{request: request{TTL: seconds(1)}}, taken)
	w.awaitEnd(short, schemas.Reason_REASON_NEVER_CONNECTED)
	poll(w.t, "the page to say so", func() error {
		m, err := w.message(short)
		if err == nil && m.State != "lost" {
			err = fmt.Errorf("it says %s: %s", m.State, m.Verdict)
		}
		return err
	})
	w.phone(p.user, p.device).expectTexts(w.t, "kept")
	w.awaitEnd(kept, schemas.Reason_REASON_ACKED)
}

// The application works on a push; meanwhile the phone comes back on another
// connection, which brings that push again.
func slowHandler(w *world) {
	done := make(chan struct{})
	p := &phone{user: "overlap", device: "phone"}
	p.start(w.t, w, func(c *client.Config) { c.Handler = p.slowly(done) })
	w.awaitConnected(p)
	id := w.pushTo(p.user, "slow", optioned{}, taken)
	p.await(w.t, "the handler to work", p.working)
	p.Cut()
	poll(w.t, "the push to be sent again", func() error {
		if n := w.sentTo(id); n < 2 {
			return fmt.Errorf("it was sent %d times", n)
		}
		return nil
	})
	close(done)
	w.pushTo(p.user, "next", optioned{}, taken)
	p.expectTexts(w.t, "slow", "next")
	w.awaitAllDelivered(p.user)
	p.expect(w.t, 2, 2, "")
}

// sentTo counts the sent events of a push.
func (w *world) sentTo(id schemas.ID) (n int) {
	var at uint64
	err := ledger.Visit(w.t.Context(), w.log, eventlog.EventsTopic, func(_ int32, r *eventlog.Entry) {
		switch e := r.Event; {
		case e.Pushed != nil && schemas.IDFrom(e.Pushed.PushId) == id:
			at = uint64(r.Position)
		case e.Sent != nil && at != 0 && e.Sent.Position == at:
			n++
		}
	})
	if err != nil {
		w.t.Error(err)
	}
	return n
}

// A phone that takes a push and says nothing is closed, so that its next
// connection has it.
func unacknowledged(w *world) {
	const user = "mute"
	mute := w.dial()
	mute.write(login(w.t, claims{w.App.Name, "dev", w.App.Secret, time.Hour}.token(w.t, user), 0))
	whole := mute.next(wire.KindPush, wire.CmdResumed)
	mute.write(wire.AppendAck(nil, wire.AckBody{Cursor: position(w.t, whole)}))
	w.pushTo(user, "never acknowledged", optioned{}, taken)
	mute.nextOf(7)
	if why := mute.readEnd().closed.GetReason(); why != schemas.Reason_REASON_ACK_TIMEOUT {
		w.t.Errorf("the phone that says nothing is closed with %s, want ack_timeout", why.Word())
	}
	w.phone(user, "phone").expectTexts(w.t, "never acknowledged")
}

// The application breaks on one push, each time it is handed it. Those before
// and behind it arrive; it ends as poison.
func poison(w *world) {
	p := &phone{user: "poisoned", device: "phone"}
	p.start(w.t, w, func(c *client.Config) {
		c.Handler = func(ctx context.Context, push client.Push) error {
			if string(push.Body) == `"poison"` {
				panic("the application chokes")
			}
			return p.handle(ctx, push)
		}
	})
	w.awaitConnected(p)
	w.pushTo(p.user, "before", optioned{}, taken)
	bad := w.pushTo(p.user, "poison", optioned{}, taken)
	w.pushTo(p.user, "behind", optioned{}, taken)
	p.expectTexts(w.t, "before", "behind")
	w.books.await(w.t, "the poison to be given up", func(l *ledger.Ledger) bool {
		_, x := l.ByID(bad)
		ends := x.Devices[p.device]
		return len(ends) == 1 && ends[0].Class == schemas.Class_CLASS_UNCONFIRMED && ends[0].Reason == schemas.Reason_REASON_POISON
	})
}

// Connections die as soon as the push comes, before the phone has seen it. That
// is no fault of the push.
func badCoverage(w *world) {
	const cuts = 8
	hole := &hole{body: []byte(`"precious"`), left: cuts}
	p := w.phone("coverage", "phone", func(c *client.Config) { c.Dial = hole.dial })
	w.awaitConnected(p)
	id := w.pushTo(p.user, "precious", optioned{}, taken)
	p.expectTexts(w.t, "precious")
	w.awaitEnd(id, schemas.Reason_REASON_ACKED)
	w.books.Look(func(l *ledger.Ledger) {
		if _, x := l.ByID(id); x.Whole[0].Attempt <= cuts {
			w.t.Errorf("it was delivered on attempt %d, want one after %d", x.Whole[0].Attempt, cuts)
		}
	})
}

// hole swallows a push, and the connection with it, so many times.
type hole struct {
	body []byte

	mu   sync.Mutex
	left int
}

func (h *hole) dial(ctx context.Context, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &holed{nc, h}, nil
}

type holed struct {
	net.Conn
	hole *hole
}

func (c *holed) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.hole.takes(b[:n]) {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}

func (h *hole) takes(b []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.left == 0 || !bytes.Contains(b, h.body) {
		return false
	}
	h.left--
	return true
}

// The worker dies in the middle of it; the next one knows who is connected.
func deafWorker(f *faulty) {
	p := f.phone("worker died", "phone")
	f.awaitConnected(p)
	f.pushesTo("by the first", p)
	cutOff(f.faults[app.DevDelivery], f.App.Name)
	_ = f.Stop(app.DevDelivery) // as if killed: it cannot say anything any more
	f.pushTo(p.user, "meanwhile", optioned{}, taken)
	f.faults[app.DevDelivery].Clear()
	f.restart(app.DevDelivery)
	p.expectTexts(f.t, "by the first", "meanwhile")
	f.pushesTo("by the next", p)
	p.expect(f.t, 3, 1, "")
}

// The gate hears no commands for a while; then everything comes, in order.
func deafGate(f *faulty) {
	p := f.phone("gate is deaf", "phone", func(c *client.Config) { c.Addresses = f.gates[:1] })
	f.awaitConnected(p)
	f.faults[app.DevGate(1)].Hold(eventlog.DispatchTopic, eventlog.AllPartitions)
	f.pushTo(p.user, "one", optioned{}, taken)
	f.pushTo(p.user, "two", optioned{}, taken)
	f.awaitCommands(1, 2)
	f.faults[app.DevGate(1)].Release(eventlog.DispatchTopic, eventlog.AllPartitions)
	f.pushTo(p.user, "three", optioned{}, taken)
	p.expectTexts(f.t, "one", "two", "three")
	p.expect(f.t, 3, 1, "")
}

// awaitCommands waits until the newest n commands to a gate are pushes.
func (w *world) awaitCommands(gate int32, n int) {
	w.t.Helper()
	poll(w.t, "commands to the gate", func() error {
		pushes := 0
		err := ledger.Visit(w.t.Context(), w.log, eventlog.DispatchTopic, func(partition int32, r *eventlog.Entry) {
			switch {
			case partition != gate:
			case r.Command.Kind == schemas.CommandKind_COMMAND_KIND_PUSH:
				pushes++
			default:
				pushes = 0
			}
		})
		if err == nil && pushes < n {
			err = fmt.Errorf("the newest %d are pushes", pushes)
		}
		return err
	})
}

// The worker reads everything later than the ack timer allows: it must not take
// its own slowness for the phones' silence.
func slowWorker(f *faulty) {
	const phones, pushes = 10, 4
	var all []*phone
	for n := range phones {
		all = append(all, f.phone(fmt.Sprintf("slow-%d", n), "phone"))
	}
	f.awaitConnected(all...)
	late := 2 * settings().AckTimer
	f.faults[app.DevDelivery].Delay(eventlog.EventsTopic, eventlog.AllPartitions, late)
	for n := range pushes {
		for _, p := range all {
			f.push(request{User: p.user, JSON: n})
		}
	}
	for _, p := range all {
		p.awaitPushes(f.t, pushes)
		f.awaitAllDelivered(p.user)
		p.expect(f.t, pushes, 1, "")
	}
}

// The phone is lost in a tunnel for good; its gate hears nothing more of it.
func silentPhone(w *world) {
	p := w.phone("gone", "phone")
	w.awaitConnected(p)
	w.awaitRoutes(p.user, 1)
	p.Enter()
	w.awaitRoutes(p.user, 0)
	p.Leave()
	w.pushesTo("when it is back", p)
}

// The gate is cut off from the log, and the phone, which is lost too, would be
// online there for ever. Nobody but the other gate's signs of life tells the time.
func silentGate(f *faulty) {
	air := &air{t: f.t, gate: f.gates[1]}
	p := f.phone("gate gone", "phone", air.carries)
	f.awaitConnected(p)
	f.awaitRoutes(p.user, 1)
	cutOff(f.faults[app.DevGate(2)], f.App.Name)
	f.awaitRoutes(p.user, 0)
	air.moveTo(f.gates[0])
	p.awaitHome(f.t, 2)
	f.pushesTo("elsewhere", p)
	f.faults[app.DevGate(2)].Clear()
	f.pushesTo("after it has woken", p)
	p.expect(f.t, 2, 2, "")
}

// awaitRoutes waits until Postgres has so many routes of the user.
func (w *world) awaitRoutes(user string, want int) {
	w.t.Helper()
	poll(w.t, fmt.Sprintf("%d routes of %s", want, user), func() error {
		conn, err := pgx.Connect(w.t.Context(), w.Base.Postgres)
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(w.t.Context()))
		var n int
		err = conn.QueryRow(w.t.Context(), `SELECT count(*) FROM routes WHERE app = $1 AND user_name = $2`, w.App.Name, user).Scan(&n)
		if err == nil && n != want {
			err = fmt.Errorf("there are %d", n)
		}
		return err
	})
}
