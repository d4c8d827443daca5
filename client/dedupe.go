package client

// Dedupe is the device's half of exactly once: it decides what is handed to
// the application and what the cursor says. It is the rule of
// docs/protocol.md §7, without I/O, clock or lock, so that the simulation can
// run the very same code. Positions go through it one at a time, in the order
// in which they arrive on the connection.
type Dedupe struct{ cursor uint64 }

// NewDedupe begins at the cursor that the device's storage holds; 0 for a new
// install.
func NewDedupe(cursor uint64) Dedupe { return Dedupe{cursor: cursor} }

// Cursor is the position up to which everything has been handled. It may be
// acknowledged once it is stored.
func (d *Dedupe) Cursor() uint64 { return d.cursor }

// Fresh says whether the push at position is to be handed to the application.
// If not, it is a repeat and only acknowledged again.
func (d *Dedupe) Fresh(position uint64) bool { return position > d.cursor }

// Handled moves the cursor to a push that the application has handled. A
// position behind the cursor changes nothing.
func (d *Dedupe) Handled(position uint64) { d.cursor = max(d.cursor, position) }

// Resumed takes the end of a replay: everything up to position has been
// written to this device, or named as a gap. With adopt the cursor that the
// device presented meant nothing, and position replaces it even if it is lower.
func (d *Dedupe) Resumed(position uint64, adopt bool) {
	if adopt {
		d.cursor = position
		return
	}
	d.cursor = max(d.cursor, position)
}
