package delivery

import (
	"container/heap"

	"waybill/internal/control"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Core is the pure part of a delivery worker for one partition: records and
// times in, decisions and commands out. It has no clock, no I/O and no
// goroutine; one goroutine owns it.
//
// Everything it puts out is a function of the folded state: what has been read
// from the log, never what was appended. After a takeover it therefore says
// everything again, and the gates' gap rule swallows what they know. Nor does
// it matter when it looks: what is read only marks its user, and Take looks at
// those who are marked.
type Core struct {
	set   Settings
	self  schemas.ID // names this worker in its claimed records
	state *mailbox.State
	gates *Gates

	policies    Policies // as SetPolicies said
	revocations []control.Revocation
	revoked     map[string][]control.Revocation // by user key

	faults Faults // none in production
	silent bool   // puts out nothing: only with Faults.EdgeOutputs, at a claim

	term   schemas.Position // position of its newest claimed that it has read; 0 = none
	active bool             // its claim is the newest that it has read
	next   schemas.Position // of the newest record that it has read
	now    int64            // every record appended up to then has been read
	grace  int64            // no ack timer runs out before: the log was away
	proved int64            // ack timers that ran out by then may be judged

	away   int64 // when sessions of devices that are away are looked at; 0 = none is
	looked int64 // when they were looked at last

	timers timers
	doubts []*userWork     // whose ack timers ran out and may not be judged yet
	marked []*userWork     // to be looked at by the next Take
	ahead  []*userWork     // of whom more is known than has been read; see keepAhead
	idle   []*userWork     // who may leave memory, in the order in which they came; see linger
	touch  []*mailbox.Push // scratch: of the user who is looked at

	ways map[uint32]*way // by gate number
	held []*way          // that have somebody waiting, in the order of the first
	turn uint64          // counts Takes

	lent      lent
	decisions []*schemas.Event
	commands  []*schemas.Command
}

// NewCore starts from a snapshot that has everything up to and including the
// record at position asOf (0 = nothing). self names the worker: 16 random
// bytes, drawn for each assignment.
func NewCore(set Settings, self schemas.ID, state *mailbox.State, asOf schemas.Position) *Core {
	if set.Burst <= 0 {
		set.Burst = Defaults().Burst
	}
	if set.Devices <= 0 {
		set.Devices = Defaults().Devices
	}
	if set.Idle <= 0 {
		set.Idle = Defaults().Idle
	}
	return &Core{set: set, self: self, state: state, gates: newGates(set), next: asOf, ways: make(map[uint32]*way)}
}

// Active says that this worker owns the partition as far as it has read.
func (c *Core) Active() bool { return c.active }

// Overtaken says that a newer claim than its own has been read: the worker
// claims again if the partition is still assigned to it.
func (c *Core) Overtaken() bool { return c.term > 0 && !c.active }

// State is the fold, for tests and metrics; the core goes on changing it.
func (c *Core) State() *mailbox.State { return c.state }

// Apply reads one record of the partition, at its broker time.
func (c *Core) Apply(pos schemas.Position, at int64, e *schemas.Event) {
	if pos <= c.next {
		return // the snapshot has it
	}
	c.next = pos
	c.now = max(c.now, at)
	u := c.state.Apply(pos, at, e)
	switch {
	case e.Kind == schemas.Kind_KIND_CLAIMED:
		c.claimed(pos, e)
	case u != nil && c.active:
		w := c.mark(u)
		if shortLived(u, e.Kind, at) {
			c.pump(w)
		}
	}
}

// Passed tells that everything up to pos has been read, also what Apply was not
// told of: repeats, and records that mean nothing.
func (c *Core) Passed(pos schemas.Position) { c.next = max(c.next, pos) }

// shortLived: a push that was due now or soon would be late by the time at
// which a batch has been read.
func shortLived(u *mailbox.User, k schemas.Kind, at int64) bool {
	if k != schemas.Kind_KIND_PUSHED && k != schemas.Kind_KIND_RELEASED || len(u.Pushes) == 0 {
		return false
	}
	return u.Pushes[len(u.Pushes)-1].Dead < at+soon
}

// soon is longer than what one batch takes, in microseconds.
const soon = 1_000_000

// claimed: the newest claim in the log owns the partition.
func (c *Core) claimed(pos schemas.Position, e *schemas.Event) {
	c.active = schemas.IDFrom(e.Claimed.GetWorker()) == c.self
	c.timers, c.doubts, c.marked, c.held, c.idle, c.ahead = nil, nil, nil, nil, nil, nil
	for _, to := range c.ways {
		to.held = nil
	}
	if !c.active {
		c.state.Unwatch()
		return
	}
	c.term = pos
	c.Grace(c.now)         // a takeover often follows a stall, and not of workers alone
	c.away = max(c.now, 1) // whoever is away: nothing else looks at them
	c.state.Watch()
	for _, u := range c.state.Users {
		if u.Work = nil; quiet(u) {
			c.linger(u, work(u))
		} else {
			c.mark(u)
		}
	}
	c.state.Rewake(c.wake)
	c.markRevoked()
	if c.silent = c.faults.EdgeOutputs; c.silent {
		c.look()
		c.silent = false
	}
}

// quiet: nothing may have to be said of the user until the next event.
func quiet(u *mailbox.User) bool {
	if len(u.Pushes)+len(u.Waiting)+len(u.Closing) > 0 {
		return false
	}
	for i := range u.Devices {
		if d := &u.Devices[i]; d.Connected() || d.Live && d.Leaving != 0 {
			return false
		}
	}
	return true
}

// ApplyGate reads one record of waybill.gates.
func (c *Core) ApplyGate(pos schemas.Position, at int64, e *schemas.Event) {
	changed := c.gates.Apply(pos, at, e)
	if len(changed) == 0 || !c.active {
		return
	}
	for _, u := range c.state.Users {
		if c.meets(u, changed) {
			c.mark(u).all = true
		}
	}
}

// Advance tells that everything appended up to broker time now has been read:
// timers that are due by then are judged, but for ack timers; see Prove.
func (c *Core) Advance(now int64) { c.now = max(c.now, now) }

// Grace tells that the log was away until now, or this worker and perhaps the
// gates were stopped: whoever acknowledged meanwhile has an ack timer's time to
// get its word into the log.
func (c *Core) Grace(now int64) {
	c.grace = now + c.set.AckTimer.Microseconds()
	c.lookAtDoubts()
}

// Now is the broker time up to which everything has been read.
func (c *Core) Now() int64 { return c.now }

// Deadline says that a timer is due at broker time now, and was not when Take
// was called last.
func (c *Core) Deadline(now int64) bool {
	if c.active && (c.away > 0 && c.away <= now || c.state.Alarm() > 0 && c.state.Alarm() <= now) {
		return true
	}
	for c.active && len(c.timers) > 0 && c.timers[0].timer <= now {
		w := c.timers[0]
		if at := c.due(w); at > w.timer {
			w.timer = at // what it ran for has ended
			heap.Fix(&c.timers, 0)
		} else if at == 0 {
			heap.Pop(&c.timers)
		} else {
			return true
		}
	}
	return false
}

// mark has the user looked at by the next Take.
func (c *Core) mark(u *mailbox.User) *userWork {
	w := work(u)
	if !w.marked {
		w.marked = true
		c.marked = append(c.marked, w)
	}
	return w
}

// look puts out what those who are marked, or whose timers are due, ask for.
func (c *Core) look() {
	c.lookAtAway()
	c.state.Wake(c.now, c.next)
	c.catchUp()
	for c.active && len(c.timers) > 0 && c.timers[0].timer <= c.now {
		c.mark(heap.Pop(&c.timers).(*userWork).user)
	}
	for i := 0; i < len(c.marked); i++ {
		w := c.marked[i]
		w.marked = false
		c.pump(w)
	}
	clear(c.marked)
	c.marked = c.marked[:0]
}

// Take hands out what is to be appended, in order, and forgets it. Times, node
// names and serials are the caller's to fill in. It says at most Settings.Burst
// commands to one gate; see More. A caller that is done with all of it before the
// next event says so with Recycle.
func (c *Core) Take() ([]*schemas.Event, []*schemas.Command) {
	if c.active {
		c.look()
		c.sayHeld()
	}
	if c.faults.ActsUnread {
		c.actUnread()
	}
	c.turn++
	d, m := c.decisions, c.commands
	c.decisions, c.commands = nil, nil
	c.lent.take(d, m)
	return d, m
}

// pump puts out whatever the user's state asks for and has not been said.
func (c *Core) pump(w *userWork) {
	u := w.user
	if u.Last() > c.next && !c.faults.ActsAhead {
		c.keepAhead(w)
		return
	}
	touched, all := u.Touched(c.touch[:0])
	if all = all || w.all; all || w.next > 0 && w.next <= c.now {
		c.decideAll(u, w)
	} else {
		c.decideSome(u, w, touched)
	}
	if all || w.closes {
		w.closes = false
		c.closeAll(u, w)
	}
	clear(touched)
	c.touch = touched
	ack := int64(0)
	for i := range u.Devices {
		ack = sooner(ack, c.series(u, w, i))
	}
	c.schedule(w, sooner(ack, w.next))
	c.linger(u, w)
}

// sooner is the earlier of two times, where 0 means none.
func sooner(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
