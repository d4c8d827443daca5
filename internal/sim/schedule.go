package sim

import (
	"math/rand/v2"

	"waybill/schemas"
)

const (
	mostPushes  = 7
	mostLives   = 5
	mostWorkers = 5
)

// trouble is a set of what goes wrong. Each schedule draws its own: one that
// is spared most of it gets far, and meets the rest in states that are rich.
type trouble uint32

const (
	newWorkers trouble = 1 << iota
	killedWorkers
	newGates
	killedGates
	stoppedGates
	awayDispatch
	refusedCommands
	lostCommands
	droppedConns
	lostSignals
	lostStorage
	restoredStorage
	strangeCursors
	hungDevices
	logouts
	cancels
	crashes
	smallFrames
	crookedClock
	idle // time passes
)

func newTrouble(rnd *rand.Rand) trouble {
	a, b, c := rnd.Uint32(), rnd.Uint32(), rnd.Uint32()
	return trouble(a&b) | trouble(c)&(newWorkers|idle)
}

func (t trouble) has(one trouble) bool { return t&one != 0 }

// step is one thing that happens: mostly somebody gets on with their work.
func (w *world) step() {
	switch x := w.rnd.IntN(100); {
	case x < 4:
		if w.names < mostPushes {
			w.randomPush()
		}
	case x < 9:
		w.people(w.devices[w.rnd.IntN(2)])
	case x < 16:
		w.goWrong()
	case x < 53:
		w.edge()
	case x < 93:
		w.delivery()
	default:
		w.projection()
	}
}

// people use their devices, and networks come and go.
func (w *world) people(d *device) {
	switch x := w.rnd.IntN(10); {
	case x < 6:
		d.dial()
	case x < 8:
		d.drop()
	case x < 9:
		d.send(heartbeat)
	case d.stay: // logs in again
		d.stay, d.kicked = false, false
	}
}

func (d *device) send(kind upKind) {
	if d.conn != nil {
		d.conn.up = append(d.conn.up, upFrame{kind: kind, cursor: d.dedupe.Cursor()})
	}
}

// goWrong draws one kind of trouble, which happens if the schedule has it.
func (w *world) goWrong() {
	t := troubles[w.rnd.IntN(len(troubles))]
	if !w.trouble.has(t) {
		return
	}
	switch {
	case t >= lostStorage && t <= logouts:
		w.goWrongAt(w.devices[w.rnd.IntN(2)], t)
	case t >= newGates && t <= lostSignals:
		w.goWrongWith(w.someGate(), t)
	default:
		w.goWrongElsewhere(t)
	}
}

// troubles are what goWrong draws from, some more often than others.
var troubles = [...]trouble{
	newWorkers, newWorkers, killedWorkers, newGates, killedGates, stoppedGates, stoppedGates, stoppedGates,
	awayDispatch, awayDispatch,
	droppedConns, lostSignals, lostSignals, lostStorage, restoredStorage, restoredStorage, strangeCursors,
	hungDevices, logouts, cancels, idle, idle, idle, idle,
}

func (w *world) goWrongElsewhere(t trouble) {
	switch t {
	case newWorkers:
		if len(w.workers) < mostWorkers {
			w.newWorker()
		}
	case killedWorkers:
		w.someWorker().kill()
	case cancels:
		w.cancel()
	case idle:
		w.clock += int64(w.rnd.IntN(3000)+1) * 1000
		w.say("the clock says %d ms", w.since())
	}
}

// since the schedule began, in milliseconds.
func (w *world) since() int64 { return w.clock/1000 - 1_700_000_000*1000 }

func (w *world) goWrongWith(g *gateLife, t trouble) {
	switch t {
	case newGates:
		if len(w.lives) < mostLives {
			w.newGate(uint32(1 + w.rnd.IntN(gates)))
		}
	case killedGates:
		g.kill()
	case stoppedGates:
		g.paused, g.stopped = !g.paused, true
		w.say("gate %d (incarnation %d) stopped: %v", g.number, g.incarnation, g.paused)
	case droppedConns:
		if w.rnd.IntN(4) == 0 {
			g.jump()
		} else if len(g.table) > 0 && !g.still() {
			g.table[w.rnd.IntN(len(g.table))].drop(schemas.Reason_REASON_QUEUE_FULL)
		}
	case lostSignals:
		w.moveOn(g)
	case awayDispatch:
		w.away[g.number-1] = !w.away[g.number-1]
		w.say("the way to gate %d is away: %v", g.number, w.away[g.number-1])
	}
}

// moveOn lets the gates topic move on without g: up to some leases.
func (w *world) moveOn(g *gateLife) {
	for n := w.rnd.IntN(14); n >= 0; n-- {
		w.clock += lease.Microseconds() / 3
		other := w.someGate()
		if other == g || other.still() {
			w.toGates(0, &schemas.Event{Kind: schemas.Kind_KIND_TICK, Tick: &schemas.Tick{}})
		} else {
			other.sign()
		}
	}
	w.say("the clock says %d ms, without a sign of gate %d", w.since(), g.number)
}

func (w *world) goWrongAt(d *device, t trouble) {
	switch t {
	case lostStorage:
		d.renew()
		w.say("device %s loses its storage", d.name)
	case restoredStorage:
		if b := d.storage; d.backup == nil || w.rnd.IntN(2) == 0 {
			d.backup = &b
			return
		}
		d.restore()
	case strangeCursors:
		d.estrange()
	case hungDevices:
		d.hung = !d.hung && d.conn != nil
	case logouts:
		d.send(logout)
	}
}

// edge: gates and devices get on with their work.
func (w *world) edge() {
	g := w.someGate()
	switch x := w.rnd.IntN(38); {
	case x < 9:
		w.flush(&g.out)
	case x < 17:
		g.command()
	case x < 26:
		if n := len(w.conns); n > 0 {
			w.conns[n-1-w.rnd.IntN(min(n, 5))].receive()
		}
	case x < 27:
		g.readGates()
	case x < 28:
		if !g.still() {
			g.sign()
		}
	default:
		w.devices[w.rnd.IntN(2)].read()
	}
}

// delivery: the workers get on with theirs.
func (w *world) delivery() {
	k := w.someWorker()
	switch x := w.rnd.IntN(40); {
	case x < 18:
		k.step()
	case x < 25:
		w.flush(&k.out)
	case x < 33:
		if k.dispatch(); w.rnd.IntN(2) == 0 {
			k.more()
		}
	case x < 36:
		k.look()
	case x < 39:
		k.readGates()
	default:
		k.overtaken()
	}
}

func (w *world) projection() {
	if w.rnd.IntN(4) == 0 {
		if w.projector.flush() && w.rnd.IntN(4) == 0 {
			w.check.snapshot()
		}
		return
	}
	for n := w.rnd.IntN(4); n >= 0; n-- {
		w.projector.step(w)
	}
}

func (w *world) someGate() *gateLife { return w.lives[w.rnd.IntN(len(w.lives))] }

func (w *world) someWorker() *worker { return w.workers[w.rnd.IntN(len(w.workers))] }
