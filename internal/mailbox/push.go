package mailbox

import (
	"slices"

	"waybill/schemas"
)

// Push is one message to one user, until it has ended as a whole and for each
// device that was owed it.
type Push struct {
	// Fixed from the record that made it due.
	Pos         schemas.Position // pushed, or released for a deliver at
	Pushed      schemas.Position // of a deliver at that was released: its pushed
	ID          schemas.ID
	Trace       schemas.ID
	Span        [8]byte // parent span, zero = none
	Name        string  // the caller's own push id
	Label       string
	CollapseKey string
	Family      uint32
	Command     uint32
	Body        []byte // nil once a storing reader has let it go
	Digest      uint64 // of device, family, command and body
	Device      string // the one device, empty = all
	FirstWins   bool   // delivered on one device, it is withdrawn from the others
	Accepted    int64  // ingest's clock
	Since       int64  // broker time at which it became due
	Dead        int64  // broker time after which it is not dispatched any more
	// Never is why it must not be delivered, known from its first record
	// (duplicate, id_reused, canceled); First is the push that came before it.
	Never schemas.Reason
	First schemas.Position

	// Changing.
	Ask         schemas.Reason // somebody wants it withdrawn, if it is not too late
	End         schemas.Class  // outcome of the push as a whole
	Delivered   bool           // to at least one device
	Unconfirmed bool           // on at least one device, or it may have been
	Unreached   bool           // it has been said that nobody is connected
	Copies      []Copy         // by device index; may be shorter than Devices

	// Ending belongs to delivery, as Copy.Work does: an outcome as a whole that
	// is under way.
	Ending Ending

	one     [1]Copy // of Copies, where one is enough: most users have one device
	noted   bool    // it stands in User.noted
	changed bool    // since Changes handed it out
	stored  bool    // it has a row: its end must be stored too
}

// Ending is what a delivery worker has decided and not read back.
type Ending struct {
	Term    schemas.Position // of the worker: anything else means forgotten
	Class   schemas.Class
	Counted bool // the push fills the user's mailbox; of no term
	// Unreached is the term in which the worker said that nobody is connected.
	Unreached schemas.Position
}

// Copy is one push for one device: the debt, how far it got, and its outcome.
type Copy struct {
	Owed    bool          // goes with the session; comes back with the next login
	Acked   bool          // by a cursor; the outcome is for delivery to decide
	Routed  bool          // the device had a route while it was owed this
	Tries   uint8         // connections that count against it
	End     schemas.Class // outcome for the device; 0 = none read yet
	Attempt uint32        // newest that a gate reported
	// First times, by the node's clock; 0 = not reported.
	Dispatched, Sent, AckTime, Opened int64
	AttemptConn                       schemas.ConnID
	AckConn                           schemas.ConnID
	SentAt                            int64 // broker time of the newest sent
	// Work belongs to delivery; the fold never looks at it, it is never stored.
	Work Work
}

// Work is what a delivery worker remembers of a copy within its term.
type Work struct {
	Term       schemas.Position // of the worker: anything else means forgotten
	Dispatched bool
	Ending     schemas.Class
	Conn       schemas.ConnID // on which it was dispatched last
	Attempt    uint32
	Counted    bool // the push fills the device's backlog; of no term
}

// Open says that the device is owed the push and it has no outcome for it.
func (c *Copy) Open() bool { return c.Owed && c.End == 0 }

// Copy for the device with that index; the zero Copy where there is none.
func (p *Push) Copy(d int) *Copy {
	for len(p.Copies) <= d {
		p.Copies = append(p.Copies, Copy{})
	}
	return &p.Copies[d]
}

// Over says that nothing more can happen to the push.
func (p *Push) Over() bool {
	if p.End == 0 {
		return false
	}
	for i := range p.Copies {
		if p.Copies[i].Open() {
			return false
		}
	}
	return true
}

// For says whether the push is meant for that device.
func (p *Push) For(device string) bool { return p.Device == "" || p.Device == device }

// at finds a push by position: its index, and whether it is there. It is asked
// for with most events, mostly of a user who has one push.
func (u *User) at(pos schemas.Position) (int, bool) {
	from, to := 0, len(u.Pushes)
	for from < to {
		mid := (from + to) / 2
		switch p := u.Pushes[mid].Pos; {
		case p == pos:
			return mid, true
		case p < pos:
			from = mid + 1
		default:
			to = mid
		}
	}
	return from, false
}

// Push with that position, nil where it has ended or never was.
func (u *User) Push(pos schemas.Position) *Push {
	if i, ok := u.at(pos); ok {
		return u.Pushes[i]
	}
	return nil
}

// removeOver lets a push go once nothing more can happen to it.
func (u *User) removeOver(p *Push) {
	if !p.Over() {
		return
	}
	if i, ok := u.at(p.Pos); ok {
		u.remove(i)
		u.gone(p)
	}
}

// remove closes the gap from the nearer end: the oldest ones leave first.
func (u *User) remove(i int) {
	if u.uncount(u.Pushes[i]); i >= len(u.Pushes)/2 || len(u.Pushes) < 64 {
		u.Pushes = slices.Delete(u.Pushes, i, i+1)
		return
	}
	copy(u.Pushes[1:i+1], u.Pushes[:i])
	u.Pushes[0] = nil
	u.Pushes = u.Pushes[1:]
}
