package gate

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestWheel lets connections come, move, go and expire at random, and checks
// that each is looked at in the tick after its deadline and never before.
func TestWheel(t *testing.T) {
	h := newHarness(t)
	g := h.gate
	g.wheel.remove(h.conn)
	r := rand.New(rand.NewPCG(1, 2))
	open := map[*conn]bool{}
	for range 5000 {
		switch r.IntN(4) {
		case 0:
			h.connect()
			h.conn.deadline = g.clock() + r.Int64N(int64(10*time.Minute))
			g.wheel.move(h.conn, h.conn.deadline)
			open[h.conn] = true
		case 1:
			for c := range open {
				c.deadline = g.clock() + r.Int64N(int64(time.Minute))
				g.wheel.move(c, c.deadline)
				break
			}
		case 2:
			for c := range open {
				g.wheel.remove(c)
				delete(open, c)
				break
			}
		case 3:
			h.wait(time.Duration(r.Int64N(int64(5 * time.Second))))
			checkExpired(t, g, open)
		}
		if g.wheel.len() != len(open) || len(g.wheel.all()) != len(open) {
			t.Fatalf("the wheel holds %d of %d connections", g.wheel.len(), len(open))
		}
	}
}

// checkExpired: closed if and only if the deadline's tick has passed.
func checkExpired(t *testing.T, g *Gate, open map[*conn]bool) {
	t.Helper()
	for c := range open {
		if c.state == stateNew && c.deadline+int64(wheelTick) < g.clock()-int64(wheelTick) {
			t.Fatalf("%v past its deadline and open", time.Duration(g.clock()-c.deadline))
		}
		if c.state == stateClosing {
			g.wheel.remove(c)
			delete(open, c)
		}
	}
}

// TestStall: a gate that was stopped for long holds nobody's silence against
// them, neither a live connection's nor that of a login on its way; from then
// on deadlines count as ever.
func TestStall(t *testing.T) {
	h := newHarness(t)
	look := func(times int) {
		for range times {
			h.now = h.now.Add(wheelTick)
			h.gate.look()
		}
	}
	look(1)
	idle := h.conn
	idle.receive(loginFrame(t, "ann", 0))
	h.facts.finish(nil)
	h.connect()
	entering := h.conn
	entering.receive(loginFrame(t, "bob", 0))
	h.connect()
	look(4)

	h.now = h.now.Add(time.Hour)
	look(1)
	if idle.state != stateLive || entering.state != stateEntering || h.conn.state != stateNew {
		t.Fatalf("after a stall the states are %d, %d and %d", idle.state, entering.state, h.conn.state)
	}
	h.facts.finish(nil)
	if entering.state != stateLive {
		t.Error("the login that was on its way did not succeed")
	}
	look(int(idle.silence()/wheelTick) + 4)
	if idle.state != stateClosing || entering.state != stateClosing || h.conn.state == stateNew {
		t.Errorf("after their silence the states are %d, %d and %d", idle.state, entering.state, h.conn.state)
	}
}
