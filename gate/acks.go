package gate

// acks is what a device has said about its pushes and what of it is in the log.
// At most one report is under way; what is said meanwhile overwrites what has
// not been reported, so that it never grows.
type acks struct {
	cursor, received   uint64 // newest that the device said
	logged, loggedRecv uint64 // in the log
	flown, flownRecv   uint64 // of the report that is under way
	flying             bool   // one is
	said               bool   // something in the read at work
}

// newAcks begins at the cursor that stands in `connected`.
func newAcks(cursor uint64) acks { return acks{cursor: cursor, logged: cursor} }

// note takes a word of the device. Both only move on: a cursor that goes back
// says nothing new, and received ends when the cursor has reached it.
func (a *acks) note(cursor, received uint64) {
	a.said = true
	a.cursor = max(a.cursor, cursor)
	if a.received = max(a.received, received); a.received <= a.cursor {
		a.received = 0
	}
}

// adopt forgets a cursor that meant nothing: the next one is news.
func (a *acks) adopt() { a.cursor, a.received, a.logged, a.loggedRecv = 0, 0, 0, 0 }

// owed says whether there is something that is not known to be in the log.
func (a *acks) owed() bool { return a.cursor != a.logged || a.received != a.loggedRecv }

// next says whether a report is to be made now.
func (a *acks) next() bool { return a.owed() && !a.flying }

// fly begins a report of the newest.
func (a *acks) fly() { a.flying, a.flown, a.flownRecv = true, a.cursor, a.received }

// done ends the report.
func (a *acks) done(ok bool) {
	a.flying = false
	if ok {
		a.logged, a.loggedRecv = a.flown, a.flownRecv
	}
}
