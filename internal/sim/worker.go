package sim

import (
	"slices"

	"waybill/delivery"
	"waybill/schemas"
)

// worker is what stands around a core: its places in the topics, and what the
// core put out that is not in them yet.
type worker struct {
	w    *world
	id   int
	self schemas.ID
	core *delivery.Core // nil: it has claimed and not loaded (without SnapshotFirst)
	reader
	heard int // of the policies
	place int // next record of the gates topic
	cut   int // below it, the gates topic had been compacted
	out   producer
	boxes [gates][]*schemas.Command // by gate
	busy  [gates]bool               // as the core was told

	rows *loading // what it has read of absent users and not taken back

	instants []instant // since it was listened to last
	dead     bool
	claiming bool  // its newest claim has not been read
	markEnd  int   // end of the log ...
	markAt   int64 // ... at that time; 0 = not asked
}

func (w *world) newWorker() *worker {
	k := &worker{w: w, id: len(w.workers) + 1, cut: w.rnd.IntN(len(w.gatesTopic) + 1)}
	k.self = number('w', k.id)
	k.out = w.producer()
	if !w.off.has(SnapshotFirst) {
		k.load()
	}
	k.claim()
	w.workers = append(w.workers, k)
	w.assigned = k
	w.say("worker %d starts as of %v", k.id, position(k.next-1))
	return k
}

func (k *worker) load() {
	k.reader = k.w.projector.load(k.w.off)
	if k.w.trouble.has(evictions) && k.w.off&remembers == 0 {
		k.settle()
	}
	k.core = delivery.NewCore(k.w.settings, k.self, k.state, position(k.next-1))
	faults := k.w.off.core()
	faults.KeepsNothing = k.w.trouble.has(noRoom)
	k.core.Plant(faults)
	if n := k.w.rnd.IntN(len(k.w.policies) + 1); n > 0 {
		k.heard = n
		k.core.SetPolicies(k.w.policies[n-1])
	}
}

// readPolicies takes those that came last, and the revocations.
func (k *worker) readPolicies() {
	if k.dead || k.core == nil {
		return
	}
	if n := len(k.w.policies); k.heard < n {
		k.heard = n
		k.core.SetPolicies(k.w.policies[n-1])
	}
	k.core.SetRevocations(slices.Clip(k.w.revocations))
	k.collect()
}

func (k *worker) claim() {
	k.claiming = true
	k.out.add(fact{event: &schemas.Event{
		Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: k.self[:]},
	}})
}

// step reads a record of the partition, or a batch of some.
func (k *worker) step() bool {
	if k.dead || k.core == nil && !k.loadLate() || k.next >= len(k.w.log) {
		return false
	}
	for n := k.w.rnd.IntN(6); n >= 2 && k.next < len(k.w.log)-1; n-- {
		k.read()
	}
	k.read()
	k.collect()
	return true
}

// instant is what a core knew when it may have said something: how many records
// it had read, and how late it was.
type instant struct {
	read int
	at   int64
}

func (k *worker) read() {
	defer k.note()
	pos, r, fresh := k.take(k.w)
	if !fresh {
		k.core.Passed(pos)
		return
	}
	k.core.Apply(pos, r.at, r.event)
	if r.event.Kind == schemas.Kind_KIND_CLAIMED && schemas.IDFrom(r.event.Claimed.Worker) == k.self {
		k.claiming = false
		k.w.say("worker %d owns the partition", k.id)
	}
}

// loadLate loads the snapshot once the claim is in the log.
func (k *worker) loadLate() bool {
	if len(k.out.queue) > 0 || k.w.projector.asOf == 0 {
		return false
	}
	k.load()
	return true
}

// stop or claim again, when a newer claim has been read.
func (k *worker) overtaken() bool {
	if k.dead || k.claiming || k.core == nil || !k.core.Overtaken() {
		return false
	}
	if k.w.assigned != k {
		k.dead = true
		k.w.say("worker %d was overtaken and stops", k.id)
		return true
	}
	if k.w.off.has(ClaimsAgain) {
		return false
	}
	k.w.say("worker %d was overtaken and claims again", k.id)
	k.claim()
	return true
}

// readGates reads one record of the gates topic.
func (k *worker) readGates() bool {
	if k.dead || k.core == nil || k.place >= len(k.w.gatesTopic) || k.w.noSigns && !k.w.calm {
		return false
	}
	if r := k.w.gatesTopic[k.place]; !k.w.compacted(k.place, k.cut) {
		k.core.ApplyGate(position(k.place), r.at, r.event)
		k.collect()
	}
	k.place++
	return true
}

// look asks for the log's end; once that is read, time has come that far.
// The log is never stuck here, so that proves as much.
func (k *worker) look() {
	if k.dead || k.core == nil {
		return
	}
	if k.w.off.has(ReadBeforeJudged) {
		k.core.Advance(k.w.clock)
		k.core.Prove(k.w.clock)
		k.collect()
		return
	}
	if k.markAt == 0 {
		k.markAt, k.markEnd = k.w.clock, len(k.w.log)
	}
	if k.next >= k.markEnd {
		k.core.Advance(k.markAt)
		k.core.Prove(k.markAt)
		k.markAt = 0
		k.collect()
	}
}

// collect takes what the core puts out and checks the fold.
func (k *worker) collect() {
	k.takeOut()
	k.tellBusy()
	if k.w.rnd.IntN(4) == 0 && !k.core.More() && !k.w.off.has(HeldIsSaid|ActsOnWhatIsRead|OutcomeOnce) {
		k.recheck()
	}
}

// recheck: a look at everybody says nothing more, but for sessions that expired,
// which are looked at now and then.
func (k *worker) recheck() {
	k.core.Recheck()
	decisions, commands := k.core.Take()
	for _, e := range decisions {
		if e.SessionEnded.GetReason() != schemas.Reason_REASON_SESSION_EXPIRED {
			k.w.fail("worker %d has missed %s", k.id, describe(e))
		}
		k.out.add(fact{event: e})
	}
	for _, m := range commands {
		k.w.fail("worker %d has missed %s", k.id, command(m))
	}
}

// more takes what did not fit.
func (k *worker) more() bool {
	if k.dead || k.core == nil || !k.core.More() {
		return false
	}
	k.collect()
	return true
}

// tellBusy says which boxes are full.
func (k *worker) tellBusy() {
	for n := range k.boxes {
		limit := k.w.box
		if k.busy[n] {
			limit = limit/2 + 1
		}
		if busy := len(k.boxes[n]) >= limit; busy != k.busy[n] {
			k.busy[n] = busy
			k.core.Busy(uint32(n+1), busy)
		}
	}
}

func (k *worker) note() { k.instants = append(k.instants, instant{k.next, k.core.Now()}) }

func (k *worker) takeOut() {
	k.note()
	defer func() { k.instants = k.instants[:0] }()
	decisions, commands := k.core.Take()
	for _, e := range decisions {
		k.out.add(fact{event: e})
	}
	for _, m := range commands {
		m.Time = k.w.clock
		k.boxes[m.Gate-1] = append(k.boxes[m.Gate-1], m)
		k.w.check.commanded(k, m)
	}
	if err := k.state.CheckInvariants(); err != nil {
		k.w.fail("worker's fold: %v", err)
	}
}

// dispatch appends the next command for one of the gates.
func (k *worker) dispatch() bool {
	first := k.w.rnd.IntN(gates)
	for i := range gates {
		if k.dispatchTo((first + i) % gates) {
			return true
		}
	}
	return false
}

func (k *worker) dispatchTo(n int) bool {
	if len(k.boxes[n]) == 0 || k.w.away[n] && !k.w.calm {
		return false
	}
	m := k.boxes[n][0]
	k.boxes[n] = k.boxes[n][1:]
	if !k.dead {
		k.tellBusy()
	}
	if k.refused(m) {
		return true
	}
	if k.w.loses(m) {
		k.w.say("worker %d: lost on the way: %s", k.id, command(m))
		return true
	}
	k.w.dispatch[n] = append(k.w.dispatch[n], m)
	if !k.w.calm && k.w.rnd.IntN(20) == 0 {
		k.w.dispatch[n] = append(k.w.dispatch[n], m) // a repeat
	}
	return true
}

// refused: the log refuses the command for good, which the worker is told.
func (k *worker) refused(m *schemas.Command) bool {
	if k.dead || k.w.calm || !k.w.trouble.has(refusedCommands) || k.w.rnd.IntN(8) > 0 {
		return false
	}
	k.w.say("worker %d: refused: %s", k.id, command(m))
	k.core.Resay(m.Gate)
	return true
}

// kill loses what was not appended, but for one record that may be on its way.
func (k *worker) kill() {
	k.dead = true
	k.out.lose(k.w)
	for n := range k.boxes {
		k.boxes[n] = k.boxes[n][:min(len(k.boxes[n]), k.w.rnd.IntN(2))]
	}
	k.w.say("worker %d: kill -9", k.id)
}
