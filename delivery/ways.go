package delivery

import (
	"slices"

	"waybill/internal/mailbox"
)

// way is the way to one gate. What cannot be said now needs no queue: it is a
// function of the folded state, so whose turn it is is enough to know.
type way struct {
	busy  bool        // its partition of waybill.dispatch takes no more
	turn  uint64      // in which said and bytes were counted
	said  int         // commands
	bytes int         // of their bodies
	held  []*userWork // who has more to say, oldest first
}

// sayBytes bounds the bodies that one gate is told between two Takes, as
// Settings.Burst bounds the commands.
const sayBytes = 4 << 20

func (c *Core) wayTo(gate uint32) *way {
	to := c.ways[gate]
	if to == nil {
		to = new(way)
		c.ways[gate] = to
	}
	return to
}

// full says that the gate must not be told more before the next Take.
func (c *Core) full(to *way) bool {
	if to.turn != c.turn {
		to.turn, to.said, to.bytes = c.turn, 0, 0
	}
	return to.busy || to.said >= c.set.Burst || to.bytes >= sayBytes
}

// hold notes that the user has more to say to the gate.
func (c *Core) hold(to *way, w *userWork) {
	if slices.Contains(w.held, to) {
		return
	}
	w.held = append(w.held, to)
	if len(to.held) == 0 && !slices.Contains(c.held, to) {
		c.held = append(c.held, to)
	}
	to.held = append(to.held, w)
}

// sayHeld lets those speak whom a full way kept silent.
func (c *Core) sayHeld() {
	for _, to := range c.held {
		n := 0
		for n < len(to.held) && !c.full(to) {
			w := to.held[n]
			n++
			w.held = slices.DeleteFunc(w.held, func(x *way) bool { return x == to })
			if !c.faults.ForgetsHeld {
				w.closes = true
				c.pump(w)
			}
		}
		to.held = slices.Delete(to.held, 0, n)
	}
	c.held = slices.DeleteFunc(c.held, func(to *way) bool { return len(to.held) == 0 })
}

// More says that the next Take has something although nothing may have been
// read until then.
func (c *Core) More() bool {
	return c.active && slices.ContainsFunc(c.held, func(to *way) bool { return !to.busy })
}

// Busy tells whether the gate's partition of waybill.dispatch takes commands.
// While it does not, nothing is said to the gate, and everybody else goes on.
func (c *Core) Busy(gate uint32, busy bool) { c.wayTo(gate).busy = busy }

// Resay tells that commands to the gate were lost: the series of its
// connections and its closes are said again from what is folded.
func (c *Core) Resay(gate uint32) {
	if !c.active || c.faults.NeverResays {
		return
	}
	for _, u := range c.state.Users {
		if w, ok := u.Work.(*userWork); ok && c.meets(u, []uint32{gate}) {
			w.unsay(gate)
			c.mark(u)
		}
	}
}

// unsay forgets what was said to the gate. What counts as dispatched stays so.
func (w *userWork) unsay(gate uint32) {
	for i := range w.series {
		if w.series[i].conn.Gate == gate {
			w.series[i] = series{}
		}
	}
	for conn := range w.closed {
		if conn.Gate == gate {
			delete(w.closed, conn)
		}
	}
	w.closes = true
}

// meets says whether the user has a route or a closing connection on one of
// the gates.
func (c *Core) meets(u *mailbox.User, gates []uint32) bool {
	for i := range u.Devices {
		if d := &u.Devices[i]; d.Connected() && slices.Contains(gates, d.Conn.Gate) {
			return true
		}
	}
	for i := range u.Closing {
		if slices.Contains(gates, u.Closing[i].Conn.Gate) {
			return true
		}
	}
	return false
}
