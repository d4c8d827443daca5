package delivery

import (
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Faults switches off single clauses of the core, so that the simulation can
// show that it would find a core without them. The zero value, the only one
// that production knows, switches off none.
type Faults struct {
	NoHoldBack        bool // a push that is ending holds back nothing
	EdgeOutputs       bool // a takeover takes closes and resumed as said
	ForgetsDispatched bool // what is older than the claim was not dispatched
	KicksEarly        bool // a device kicks before it has resumed
	ActsUnread        bool // outcomes take effect before they are in the log
	ForgetsHeld       bool // a gate that takes commands again is not told what waits for it
	NoGrace           bool // ack timers run on while the gate is stopped
	NeverResays       bool // lost commands are not said again
	SaysTwice         bool // an outcome that is under way is said again
	CancelsDispatched bool // a cancel also ends what was dispatched
	PoisonSpreads     bool // with a poison push, what was dispatched beside it is given up
	SendsLate         bool // a route that began after a push's ttl gets it all the same
	ActsAhead         bool // a user of whom rows said more than has been read is looked at
	LosesDeadlines    bool // who leaves memory leaves no time behind
	LosesKept         bool // what comes about an absent user is not kept
	KeepsNothing      bool // no fault: there is no room for that, so rows must have it
}

// Plant takes clauses away. It is for the simulation alone.
func (c *Core) Plant(f Faults) {
	c.faults = f
	c.state.Plant(mailbox.AbsentFaults{LosesDeadlines: f.LosesDeadlines, LosesKept: f.LosesKept, KeepsNothing: f.KeepsNothing})
}

// Recheck has every user looked at anew by the next Take, which then puts out
// nothing if the one before has missed nothing. It is for the simulation alone.
func (c *Core) Recheck() {
	if !c.active {
		return
	}
	for _, u := range c.state.Users {
		c.mark(u).all = true
	}
}

// tries of the copy: those of the device's poison push, if that spreads.
func (c *Core) tries(u *mailbox.User, cp *mailbox.Copy, i int) uint8 {
	if !c.faults.PoisonSpreads {
		return cp.Tries
	}
	most := cp.Tries
	for _, p := range u.Pushes {
		most = max(most, p.Copy(i).Tries)
	}
	return most
}

// Stranded is an open push at which nothing makes the core look again, though
// its ttl and an ack timer will be over by then; 0 = none. It is for the
// simulation alone, which asks between a Take and the next record.
func (c *Core) Stranded() schemas.Position {
	if !c.active {
		return 0
	}
	for _, u := range c.state.Users {
		w, ok := u.Work.(*userWork)
		for _, p := range u.Pushes {
			if p.End == 0 && c.endingWhole(p) == 0 && !(ok && c.looksAgain(w, p)) {
				return p.Pos
			}
		}
	}
	return 0
}

// looksAgain: the user's timer runs out in time, or a decision that will be read
// back has been said.
func (c *Core) looksAgain(w *userWork, p *mailbox.Push) bool {
	for i := range p.Copies {
		if c.ending(&p.Copies[i]) {
			return true
		}
	}
	return w.marked || len(w.held) > 0 || w.place > 0 && w.timer <= p.Dead+c.set.AckTimer.Microseconds()+1
}

// actUnread folds own outcomes as if they had been read.
func (c *Core) actUnread() {
	for i := 0; i < len(c.decisions); i++ {
		if e := c.decisions[i]; e.Outcome != nil {
			if u := c.state.Apply(c.next, c.now, e); u != nil {
				c.pump(c.mark(u))
			}
		}
	}
}
