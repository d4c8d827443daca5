package delivery

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
}

// Plant takes clauses away. It is for the simulation alone.
func (c *Core) Plant(f Faults) { c.faults = f }

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
