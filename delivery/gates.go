package delivery

import (
	"waybill/schemas"
)

// Gates is what a worker knows of the gates from waybill.gates. Time is that
// topic's own: a lease lapses only when the topic has moved on for a whole
// lease without the gate's record, so an outage of the log lapses nothing.
type Gates struct {
	lease, silent int64 // microseconds; silent as a multiple of the lease
	ackTimer      int64 // microseconds
	now           int64 // broker time of the topic's newest record
	grace         int64 // no lease lapses before this: the topic itself had stopped
	gates         map[uint32]*gateLife
}

type gateLife struct {
	incarnation uint64
	alive       int64 // broker time of its newest record
	lease       int64
	fresh       bool // its incarnation has not been handed out
	usable      bool // as last handed out
	silent      bool
	ackGrace    int64 // it was stopped: no ack timer runs out before
}

func newGates(s Settings) *Gates {
	return &Gates{lease: s.Lease.Microseconds(), silent: int64(s.SilentLeases), ackTimer: s.AckTimer.Microseconds(), gates: make(map[uint32]*gateLife)}
}

// Apply folds one record of waybill.gates and returns the numbers of the gates
// that it made usable, unusable, silent or new.
func (g *Gates) Apply(pos schemas.Position, at int64, e *schemas.Event) []uint32 {
	if g.now > 0 && at-g.now > g.lease/2 {
		g.grace = at + g.lease
	}
	if g.now-at > g.lease/2 {
		g.setBack(g.now - at)
	}
	g.now = max(g.now, at)
	switch e.Kind {
	case schemas.Kind_KIND_STARTED:
		g.started(e.Gate, uint64(pos), at, e.Started.GetLease())
	case schemas.Kind_KIND_ALIVE:
		g.sign(e.Gate, e.Incarnation, at, e.Alive.GetLease())
	case schemas.Kind_KIND_STOPPED:
		// Its last sign: when only this one is left, its lease lapses all the same.
		g.sign(e.Gate, e.Incarnation, at, 0)
	}
	return g.changed()
}

// setBack: the topic's clock jumped back, since another broker leads. How long each
// gate has been quiet counts on from there; what was read before would else look
// newer than each sign to come, and every gate silent.
func (g *Gates) setBack(by int64) {
	g.now -= by
	g.grace = g.now + g.lease
	for _, l := range g.gates {
		l.alive -= by
	}
}

func (g *Gates) started(number uint32, incarnation uint64, at, leaseMillis int64) {
	l := g.gates[number]
	if l == nil || incarnation > l.incarnation {
		usable := l != nil && l.usable
		g.gates[number] = &gateLife{incarnation: incarnation, alive: at, lease: leaseMillis * 1000, usable: usable, fresh: true}
	}
}

func (g *Gates) sign(number uint32, incarnation uint64, at, leaseMillis int64) {
	l := g.gates[number]
	if l == nil || incarnation > l.incarnation {
		g.started(number, incarnation, at, leaseMillis) // its started was compacted away
		return
	}
	if incarnation == l.incarnation {
		if at-l.alive > g.leaseOf(l)/2 {
			l.ackGrace = at + g.ackTimer
		}
		l.alive = at
	}
}

// AckGrace is the broker time before which no ack timer of the connection runs
// out. A gate that was silent was stopped, or cut off from the log: what its
// devices acknowledged meanwhile comes now.
func (g *Gates) AckGrace(c schemas.ConnID) int64 {
	if l := g.gates[c.Gate]; l != nil {
		return l.ackGrace
	}
	return 0
}

func (g *Gates) changed() []uint32 {
	var out []uint32
	for n, l := range g.gates {
		quiet, lease := g.quiet(l), g.leaseOf(l)
		usable, silent := quiet <= lease, quiet > g.silent*lease
		if l.fresh || usable != l.usable || silent != l.silent {
			l.fresh, l.usable, l.silent = false, usable, silent
			out = append(out, n)
		}
	}
	return out
}

func (g *Gates) leaseOf(l *gateLife) int64 {
	if l.lease > 0 {
		return l.lease
	}
	return g.lease
}

// quiet is for how long the gate has said nothing while the topic moved on.
func (g *Gates) quiet(l *gateLife) int64 {
	if g.now < g.grace {
		return 0
	}
	return g.now - l.alive
}

// Usable says whether commands may be dispatched to the connection: its gate
// lives in that incarnation and its lease has not lapsed. A gate of which
// nothing has been read yet is given the benefit of the doubt.
func (g *Gates) Usable(c schemas.ConnID) bool {
	l := g.gates[c.Gate]
	return l == nil || c.Incarnation >= l.incarnation && g.quiet(l) <= g.leaseOf(l)
}

// Replaced says that a newer incarnation of the connection's gate has started.
func (g *Gates) Replaced(c schemas.ConnID) bool {
	l := g.gates[c.Gate]
	return l != nil && c.Incarnation < l.incarnation
}

// Silent says that the connection's gate has given no sign for so long that
// its routes are over.
func (g *Gates) Silent(c schemas.ConnID) bool {
	l := g.gates[c.Gate]
	return l != nil && c.Incarnation == l.incarnation && g.quiet(l) > g.silent*g.leaseOf(l)
}
