package delivery

import (
	"container/heap"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Core is the pure part of a delivery worker for one partition: records and
// times in, decisions and commands out. It has no clock, no I/O and no
// goroutine; one goroutine owns it.
//
// Everything it puts out is a function of the folded state: what has been read
// from the log, never what was appended. After a takeover it therefore says
// everything again, and the gates' gap rule swallows what they know.
type Core struct {
	set   Settings
	self  schemas.ID // names this worker in its claimed records
	state *mailbox.State
	gates *Gates

	faults Faults // none in production
	silent bool   // puts out nothing: only with Faults.EdgeOutputs, at a claim

	term   schemas.Position // position of its newest claimed that it has read; 0 = none
	active bool             // its claim is the newest that it has read
	next   schemas.Position // of the newest record that it has read
	now    int64            // every record appended up to then has been read
	grace  int64            // no ack timer runs out before: the log was away

	timers    timers
	decisions []*schemas.Event
	commands  []*schemas.Command
}

// NewCore starts from a snapshot that has everything up to and including the
// record at position asOf (0 = nothing). self names the worker: 16 random
// bytes, drawn for each assignment.
func NewCore(set Settings, self schemas.ID, state *mailbox.State, asOf schemas.Position) *Core {
	return &Core{set: set, self: self, state: state, gates: newGates(set), next: asOf}
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
		c.pump(u)
	}
	c.fire()
}

// claimed: the newest claim in the log owns the partition.
func (c *Core) claimed(pos schemas.Position, e *schemas.Event) {
	c.active = schemas.IDFrom(e.Claimed.GetWorker()) == c.self
	if !c.active {
		return
	}
	c.term = pos
	c.timers = nil
	c.silent = c.faults.EdgeOutputs
	for _, u := range c.state.Users {
		u.Work = nil
		c.pump(u)
	}
	c.silent = false
}

// ApplyGate reads one record of waybill.gates.
func (c *Core) ApplyGate(pos schemas.Position, at int64, e *schemas.Event) {
	changed := c.gates.Apply(pos, at, e)
	if len(changed) == 0 || !c.active {
		return
	}
	for _, u := range c.state.Users {
		if c.meets(u, changed) {
			c.pump(u)
		}
	}
}

// meets says whether the user has a route or a closing connection on one of
// the gates.
func (c *Core) meets(u *mailbox.User, gates []uint32) bool {
	for _, n := range gates {
		for i := range u.Devices {
			if u.Devices[i].Conn.Gate == n {
				return true
			}
		}
		for i := range u.Closing {
			if u.Closing[i].Conn.Gate == n {
				return true
			}
		}
	}
	return false
}

// Advance tells that everything appended up to broker time now has been read:
// timers that are due by then are judged.
func (c *Core) Advance(now int64) {
	c.now = max(c.now, now)
	c.fire()
}

// Grace tells that the log was away until now: whoever acknowledged meanwhile
// has an ack timer's time to get its word into the log.
func (c *Core) Grace(now int64) { c.grace = now + c.set.AckTimer.Microseconds() }

// Now is the broker time up to which everything has been read.
func (c *Core) Now() int64 { return c.now }

// Deadline is the broker time at which the next timer is due; 0 = none.
func (c *Core) Deadline() int64 {
	if !c.active || len(c.timers) == 0 {
		return 0
	}
	return c.timers[0].timer
}

// fire pumps the users whose timers are due.
func (c *Core) fire() {
	for c.active && len(c.timers) > 0 && c.timers[0].timer <= c.now {
		c.pump(heap.Pop(&c.timers).(*userWork).user)
	}
}

// Take hands out what is to be appended, in order, and forgets it. Times, node
// names and serials are the caller's to fill in.
func (c *Core) Take() ([]*schemas.Event, []*schemas.Command) {
	if c.faults.ActsUnread {
		c.actUnread()
	}
	d, m := c.decisions, c.commands
	c.decisions, c.commands = nil, nil
	return d, m
}

// pump puts out whatever the user's state asks for and has not been said.
func (c *Core) pump(u *mailbox.User) {
	w := work(u)
	c.decide(u, w)
	c.closeAll(u, w)
	for i := range u.Devices {
		c.series(u, w, i)
	}
	c.schedule(u, w)
}
