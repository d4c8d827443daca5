package sim

import (
	"math/rand/v2"

	"waybill/delivery"
	"waybill/schemas"
)

// trouble is a set of what goes wrong. Each schedule draws its own: one that
// is spared most of it gets far, and meets the rest in states that are rich.
type trouble uint64

const (
	newWorkers trouble = 1 << iota
	killedWorkers
	killedProjector
	newGates
	killedGates
	stoppedGates
	awayDispatch // the way to a gate takes nothing
	awayEvents   // the partition takes nothing
	lateGates    // no worker hears of the gates
	refusedCommands
	lostCommands
	droppedConns
	lostSignals
	lostStorage
	restoredStorage
	strangeCursors
	hungDevices
	killedApps
	logouts
	policies // change
	revocations
	identifications
	clones
	evictions
	awayRows // no worker reads rows
	cancels
	crashes
	smallFrames
	crookedClock // brokers do not agree on the time
	idle         // time passes
	longIdle     // much of it
	clocksBack   // another broker leads the gates topic, whose clock is behind

	// What a schedule is like.
	longTTL   // no ttl is over while it lasts
	zeroTTL   // all is now or never
	deadGates // who is dead when the faults stop stays dead
	zombies   // and who is hung stays hung
	poisonous // the application always crashes on one push
	onlyOne   // a user may have one device
	noRoom    // workers keep nothing of what comes about users who are not in memory
	lonely    // devices are away for most of the time

	noTrouble // beyond them
)

func newTrouble(rnd *rand.Rand) trouble {
	a, b, c := rnd.Uint64(), rnd.Uint64(), rnd.Uint64()
	return trouble(a&b) | trouble(c)&(newWorkers|idle|evictions)
}

func (t trouble) has(one trouble) bool { return t&one != 0 }

// happening is how often, in how many draws of all, a kind of trouble is tried,
// and what happens.
type happening struct {
	kind    trouble
	weight  int
	happens func(*world)
}

var happenings = [...]happening{
	{newWorkers, 2, (*world).moreWorkers},
	{killedWorkers, 1, func(w *world) { w.someWorker().kill() }},
	{killedProjector, 1, func(w *world) { w.projector.kill(w) }},
	{newGates, 1, (*world).moreGates},
	{killedGates, 1, func(w *world) { w.someGate().kill() }},
	{stoppedGates, 3, func(w *world) { w.someGate().stop() }},
	{awayDispatch, 2, (*world).toggleDispatch},
	{awayEvents, 1, (*world).toggleEvents},
	{lateGates, 1, (*world).toggleGates},
	{droppedConns, 1, func(w *world) { w.someGate().dropSome() }},
	{lostSignals, 2, func(w *world) { w.moveOn(w.someGate()) }},
	{lostStorage, 1, func(w *world) { w.someDevice().loseStorage() }},
	{restoredStorage, 2, func(w *world) { w.someDevice().backUp() }},
	{strangeCursors, 1, func(w *world) { w.someDevice().estrange() }},
	{hungDevices, 1, func(w *world) { w.someDevice().hang() }},
	{killedApps, 2, func(w *world) { w.someDevice().restart() }},
	{logouts, 1, func(w *world) { w.someDevice().send(logout) }},
	{policies, 1, (*world).changePolicy},
	{revocations, 1, (*world).revoke},
	{identifications, 1, func(w *world) { w.someDevice().identify(w.someGate()) }},
	{clones, 1, (*world).clone},
	{awayRows, 1, (*world).toggleRows},
	{cancels, 2, (*world).cancel},
	{idle, 4, (*world).wait},
	{clocksBack, 1, (*world).setBack},
	{longIdle, 1, func(w *world) { w.clock += 12 * second; w.wait() }},
}

// tries is the sum of the weights.
const tries = 38

// goWrong draws one kind of trouble, which happens if the schedule has it.
func (w *world) goWrong() {
	n := w.rnd.IntN(tries)
	for i := range happenings {
		h := &happenings[i]
		if n -= h.weight; n >= 0 {
			continue
		}
		if w.trouble.has(h.kind) {
			h.happens(w)
		}
		return
	}
}

func (w *world) moreWorkers() {
	if len(w.workers) < mostWorkers {
		w.newWorker()
	}
}

func (w *world) moreGates() {
	if len(w.lives) < mostLives {
		w.newGate(uint32(1 + w.rnd.IntN(gates)))
	}
}

func (w *world) toggleDispatch() {
	n := w.rnd.IntN(gates)
	w.away[n] = !w.away[n]
	w.say("the way to gate %d is away: %v", n+1, w.away[n])
}

func (w *world) toggleEvents() {
	w.noEvents = !w.noEvents
	w.say("the partition is away: %v", w.noEvents)
}

func (w *world) toggleGates() {
	w.noSigns = !w.noSigns
	w.say("nobody hears of the gates: %v", w.noSigns)
}

func (w *world) toggleRows() {
	w.noRows = !w.noRows
	w.say("nobody reads rows: %v", w.noRows)
}

// changePolicy puts another one in force; each worker hears of it in its time.
func (w *world) changePolicy() {
	p := policy(w.rnd)
	w.policies = append(w.policies, delivery.Policies{app: p})
	w.say("policy: %v, sessions expire after %v, unreached after %v", p.Devices, p.SessionExpiry, p.UnreachedAfter)
}

func (w *world) wait() {
	w.clock += int64(w.rnd.IntN(3000)+1) * 1000
	w.say("time passes")
}

// setBack is a jump of the gates topic's clock.
func (w *world) setBack() {
	w.behind += int64(w.rnd.IntN(10_000)+1) * 1000
	w.say("the clock of the gates topic is %d ms behind", w.behind/1000)
}

// since the schedule began, in milliseconds.
func (w *world) since() int64 { return (w.clock - began) / 1000 }

func (g *gateLife) stop() {
	g.paused, g.stopped = !g.paused, true
	g.w.say("gate %d (incarnation %d) stopped: %v", g.number, g.incarnation, g.paused)
}

// dropSome: a connection's queue is full, or the gate fell behind its commands.
func (g *gateLife) dropSome() {
	if g.w.rnd.IntN(4) == 0 {
		g.jump()
	} else if len(g.table) > 0 && !g.still() {
		g.table[g.w.rnd.IntN(len(g.table))].drop(schemas.Reason_REASON_QUEUE_FULL)
	}
}

// moveOn lets the gates topic move on without g: up to some leases.
func (w *world) moveOn(g *gateLife) {
	for n := w.rnd.IntN(14); n >= 0; n-- {
		w.moveOnOnce(g)
	}
	w.say("no sign of gate %d for a while", g.number)
}

func (w *world) moveOnOnce(g *gateLife) {
	w.clock += lease.Microseconds() / 3
	other := w.someGate()
	if other == g || other.still() {
		w.toGates(0, &schemas.Event{Kind: schemas.Kind_KIND_TICK, Tick: &schemas.Tick{}})
	} else {
		other.sign()
	}
}
