package gate

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// politeSocket closes when the gate does, as devices do.
type politeSocket struct {
	deafSocket
	conn *conn
	sent []byte
}

func (s *politeSocket) send(b []byte) error {
	s.sent = append(s.sent[:0], b...)
	return nil
}

func (s *politeSocket) finish() {
	if c := s.conn; c != nil {
		s.conn = nil
		go c.gone(schemas.Reason_REASON_PEER_CLOSED)
	}
}

// to is where the device was redirected.
func (s *politeSocket) to(t *testing.T) string {
	h, payload, _, err := wire.Next(s.sent, maxLogin)
	if err != nil || h.Command != wire.CmdRedirect {
		t.Fatalf("the device is told %s, %v", wire.Describe(h, payload), err)
	}
	var m schemas.Redirect
	mustDecode(m.UnmarshalVT(payload[wire.PushPrefixSize:]))
	return m.Address
}

// crowd is a gate with so many devices, and two other gates.
func crowd(t *testing.T, devices, rate int) (*Gate, []*politeSocket) {
	g := newTestGate(t, deafFacts{})
	g.cfg.DrainTime, g.cfg.DrainRate = time.Minute, rate
	for n, load := range map[uint32]uint64{3: 100, 4: 400} {
		g.peers.gates[n] = peer{address: map[uint32]string{3: "three", 4: "four"}[n], lease: 1e7, connections: load}
	}
	close(g.peers.last)
	list := g.peers.living()
	g.peers.list.Store(&list)
	all := make([]*politeSocket, devices)
	for i := range all {
		s := &politeSocket{}
		s.conn = g.newConn(s, peerOf(&net.TCPAddr{}))
		if i > 0 { // the first one says nothing
			s.conn.receive(loginFrame(t, "ann", 0))
			s.conn.entryLogged(1, nil)
		}
		all[i] = s
	}
	return g, all
}

// TestHandOver: the devices go at the rate, where there is most room, and the
// gate waits for the last one and no longer.
func TestHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, devices := crowd(t, 1000, 200)
		began, ended := time.Now(), make(chan error, 1)
		go func() { ended <- g.handOver(&life{now: make(chan struct{}, 1)}) }()
		for second := 1; second <= 4; second++ {
			time.Sleep(time.Second)
			synctest.Wait()
			if gone := len(devices) - g.wheel.len(); gone < 200*second-10 || gone > 200*second+10 {
				t.Errorf("%d devices are gone after %d s, want %d", gone, second, 200*second)
			}
		}
		if err := <-ended; err != nil || g.wheel.len() != 0 {
			t.Errorf("handed over: %v, %d left", err, g.wheel.len())
		}
		if took := time.Since(began).Round(100 * time.Millisecond); took != 5*time.Second {
			t.Errorf("took %v, want 5 s", took)
		}
		at := map[string]int{}
		for _, s := range devices {
			at[s.to(t)]++
		}
		if at["three"] != 650 || at["four"] != 350 {
			t.Errorf("devices went to %v, want as many on each in the end", at)
		}
	})
}

// TestHandOverEnds: with the time, with the last other gate, and with the number.
func TestHandOverEnds(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Gate)
		err   error
		after time.Duration
		left  int
	}{
		"time is over":    {func(g *Gate) { g.cfg.DrainTime = 2 * time.Second }, nil, 2 * time.Second, 80},
		"the log is away": {func(g *Gate) { g.peers.last = make(chan struct{}) }, nil, 12 * time.Second, 0},
		"no time":         {func(g *Gate) { g.cfg.DrainTime = 0 }, nil, 0, 100},
		"no other gate":   {func(g *Gate) { g.peers.list.Store(new([]string)) }, nil, 0, 100},
		"they have gone":  {func(g *Gate) { clear(g.peers.gates) }, nil, 10 * time.Second, 0},
		"it is replaced":  {func(g *Gate) { g.peers.started = g.incarnation.Load() + 1 }, ErrReplaced, drainEvery, 100},
		"a login on its way": {func(g *Gate) {
			s := &politeSocket{}
			c := g.newConn(s, peerOf(&net.TCPAddr{}))
			s.conn = c
			c.receive(loginFrame(t, "slow", 0))
			time.AfterFunc(15*time.Second, func() { c.entryLogged(1, nil) })
		}, nil, 15 * time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _ := crowd(t, 100, 10)
				g.incarnation.Store(7)
				c.spoil(g)
				began := time.Now()
				err := g.handOver(&life{now: make(chan struct{}, 1)})
				synctest.Wait()
				if !errors.Is(err, c.err) || g.wheel.len() != c.left {
					t.Errorf("handed over: %v, %d left; want %v, %d", err, g.wheel.len(), c.err, c.left)
				}
				if took := time.Since(began); took < c.after || took > c.after+200*time.Millisecond {
					t.Errorf("took %v, want %v", took, c.after)
				}
			})
		})
	}
}

// TestGateHandsOver: a gate that is to stop sends its devices to the other one,
// also one that comes meanwhile; the other one names it to nobody. It ends when
// nobody is left.
func TestGateHandsOver(t *testing.T) {
	w := newWorld(t)
	two := w.start(2)
	one := w.start(1, func(c *Config) { c.DrainTime, c.DrainRate = time.Minute, 2 })
	ann, bob := dial(t, one.Addr()), dial(t, one.Addr())
	ann.login("ann", 0)
	bob.login("bob", 0)
	one.stop()
	for said := "an address"; said != ""; {
		said = w.await(w.gates, schemas.Kind_KIND_ALIVE).Alive.Address
	}
	late := dial(t, one.Addr())
	late.write(loginFrame(t, "late", 0))
	for name, d := range map[string]*device{"ann": ann, "bob": bob, "late": late} {
		_, payload := d.expect(wire.KindPush, wire.CmdRedirect)
		var m schemas.Redirect
		mustDecode(m.UnmarshalVT(payload[wire.PushPrefixSize:]))
		if m.Address != two.Addr() {
			t.Errorf("%s is sent to %q, want %s", name, m.Address, two.Addr())
		}
		d.nc.Close()
	}
	if welcome := dial(t, two.Addr()).login("ann", 0); len(welcome.Others) != 0 {
		t.Errorf("the other gate names %v", welcome.Others)
	}
	if err := one.ended(t); err != nil {
		t.Errorf("run: %v", err)
	}
	for range 2 {
		d := w.await(w.events, schemas.Kind_KIND_DISCONNECTED).Disconnected
		if want := "redirected to " + two.Addr(); d.Reason != schemas.Reason_REASON_GATE_STOPPING || d.Detail != want {
			t.Errorf("disconnected says %s: %s", d.Reason.Word(), d.Detail)
		}
	}
	w.await(w.gates, schemas.Kind_KIND_STOPPED)
}
