package gate

import "waybill/schemas"

// Gap is the gap rule of one connection (docs/architecture.md): it keeps the last
// position that was forwarded and lets no write pass that does not follow it.
// It is pure; the simulation runs this very type.
type Gap struct {
	last    uint64
	adopted bool
}

// Verdict is what becomes of a write.
type Verdict uint8

// The verdicts.
const (
	Write   Verdict = iota // it follows: forward it
	Swallow                // it is not newer: forwarded before, count it
	Hole                   // something before it is missing: close the connection
)

// NewGap begins at the cursor that stands in the connection's `connected`.
func NewGap(cursor uint64) Gap { return Gap{last: cursor} }

// Last is the last position that was forwarded: no cursor may be newer.
func (g *Gap) Last() uint64 { return g.last }

// Check judges a push or a resumed, and takes its position over if it is to be
// written. Where the device's cursor meant nothing, the series begins with a
// resumed that says adopt: the first one counts whatever stood here before.
func (g *Gap) Check(c *schemas.Command) Verdict {
	if c.Gap.GetAdopt() && c.Kind == schemas.CommandKind_COMMAND_KIND_RESUMED {
		return g.adopt(c.Position)
	}
	if c.Position <= g.last {
		return Swallow
	}
	if c.Previous > g.last {
		return Hole
	}
	g.last = c.Position
	return Write
}

// adopt takes a position over whatever stood here, even a higher one, once. A
// worker that takes over says the series again, and with it the adopt.
func (g *Gap) adopt(position uint64) Verdict {
	if g.adopted {
		return Swallow
	}
	g.adopted, g.last = true, position
	return Write
}
