package sim

import "waybill/schemas"

// Rounds within which everything comes to rest.
const mostRounds = 400

// calmDown ends the faults: what is dead is started again, what is stopped
// goes on. In half of the schedules one more worker takes over; in all in which a
// command disappeared without a word, for nobody else would say it again.
func (w *world) calmDown() {
	w.calm = true
	w.say("--- faults stop")
	for n, g := range w.current {
		if g.exited && !w.staysDead(g) {
			w.newGate(uint32(n + 1))
		}
	}
	for _, g := range w.lives {
		g.paused = false
	}
	for _, d := range w.devices {
		d.hung = d.hung && w.trouble.has(zombies)
	}
	if w.assigned.dead || w.missing || w.rnd.IntN(2) == 0 {
		w.newWorker()
	}
}

// staysDead says that nobody starts the gate again: the other one lives.
func (w *world) staysDead(g *gateLife) bool {
	return w.trouble.has(deadGates) && !w.current[2-g.number].exited
}

// rest lets everything settle, several times with the clock's effects, and
// checks what must be true then.
func (w *world) rest(p phase) {
	w.say("--- %s", p)
	last := w.begin(p)
	for range 3 {
		w.clock += w.later(p)
		w.signs(p)
		for _, k := range w.workers {
			k.readPolicies()
			if w.trouble.has(evictions) {
				k.evict()
			}
			k.look()
			k.look() // the first may have ended an older question
		}
		if !w.settle() {
			w.fail("does not come to rest")
			return
		}
	}
	w.check.rest(p, last)
}

// later is how much time passes before the phase. At first timers run out where
// no ttl does. Then every ttl is over, that of what is released now as well.
func (w *world) later(p phase) int64 {
	long := w.trouble.has(longTTL)
	switch {
	case p == quiet && long:
		return 6 * second
	case p == late && long:
		return 2 * 3600 * second
	case p == late:
		return 20 * second
	}
	return 0
}

// signs of the gates that live. In the end the topic has moved on for long enough
// without the dead.
func (w *world) signs(p phase) {
	times := 1
	if p == late {
		times = 12
	}
	for range times {
		for _, g := range w.current {
			if !g.exited {
				g.sign()
			}
		}
		if times > 1 {
			w.clock += lease.Microseconds() / 3
		}
	}
}

var phases = [...]phase{quiet, late, lastPush, reconnect}

type phase string

const (
	quiet     phase = "all is read"
	late      phase = "every ttl is over"
	lastPush  phase = "a last push"
	reconnect phase = "everybody reconnects"
)

// begin brings what the phase is about.
func (w *world) begin(p phase) (last int) {
	switch p {
	case lastPush:
		id := number('z', 1)
		return w.push(&schemas.Pushed{PushId: id[:], Ttl: 1_000_000, Body: bodies[0], Family: 1}, "")
	case reconnect:
		for _, d := range w.devices {
			d.hung = false
			d.drop()
		}
	}
	return 0
}

// settle runs everybody in turn until nothing moves.
func (w *world) settle() bool {
	for range mostRounds {
		if w.failure != "" || !w.round() {
			w.projector.flush()
			return true
		}
	}
	return false
}

func (w *world) round() bool {
	moved := w.flush(&w.ingest)
	note := func(did bool) { moved = moved || did }
	for _, g := range w.lives {
		note(g.readGates())
		note(g.readRevocations())
		note(w.flush(&g.out))
		note(g.command())
	}
	for _, c := range w.conns {
		note(c.receive())
	}
	for _, k := range w.workers {
		note(k.readGates())
		note(k.step())
		note(k.overtaken())
		note(k.reload())
		note(w.flush(&k.out))
		note(k.dispatch())
		note(k.more())
	}
	for _, d := range w.devices {
		note(d.read())
		note(d.dial())
	}
	for w.projector.step(w) {
	}
	note(w.projector.flush())
	return moved
}
