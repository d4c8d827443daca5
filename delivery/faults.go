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
}

// Plant takes clauses away. It is for the simulation alone.
func (c *Core) Plant(f Faults) { c.faults = f }

// actUnread folds own outcomes as if they had been read.
func (c *Core) actUnread() {
	for i := 0; i < len(c.decisions); i++ {
		if e := c.decisions[i]; e.Outcome != nil {
			if u := c.state.Apply(c.next, c.now, e); u != nil {
				c.pump(u)
			}
		}
	}
}
