package mailbox

import (
	"strings"

	"waybill/schemas"
)

// Bounds of what one user may hold beside the mailbox itself. They are part of
// the fold: changing one changes what a replay gives.
const (
	maxRecent  = 1000            // push ids given by callers, for idempotency
	maxTombs   = 1000            // cancels of ids not seen yet
	maxClosing = 64              // connections whose end has not been read; see User.abandoned
	window     = 24 * 3600 * 1e6 // microseconds: the idempotency window
)

// State is the fold of one partition. The zero value is not usable; see New.
// It is owned by one goroutine.
type State struct {
	// Term is the position of the newest claimed record: decisions of any other
	// term are ignored.
	Term schemas.Position
	// Sealed is set once the partition's seal has been read: nothing counts behind it.
	Sealed bool
	Users  map[string]*User // by key (schemas.Key)

	track   bool    // collect changes; see Track
	touched []*User // with changes that Changes has not handed out
	watched bool    // note what decisions may depend on; see Watch
	absents absents // who is not in memory; see Evict
}

// New is the state before the first event.
func New() *State { return &State{Users: make(map[string]*User)} }

// User is one user of one app: its mailbox and its devices.
type User struct {
	Key, App, Name string

	Devices []Device  // a device keeps its index while it is known: its slot
	Pushes  []*Push   // by position, oldest first; ended ones leave
	Waiting []Waiting // deliver at: not due yet
	Closing []Closing // connections that must go, until their end is read
	Tombs   []Tomb    // cancels of push ids not seen yet
	Recent  map[schemas.ID]Recent

	recentOrder []schemas.ID // of Recent, oldest first
	changes     changes
	notes
	ids  map[schemas.ID]int // see mayHold
	last schemas.Position   // of the newest event that was folded
	asOf schemas.Position   // the rows from which it returned have everything up to here

	// Work belongs to the reader (delivery keeps its series there); the fold
	// never looks at it and it is never stored.
	Work any
}

// Closing is a connection that lost, was kicked or whose route was ended.
type Closing struct {
	Device  string
	Conn    schemas.ConnID
	Reason  schemas.Reason
	After   int64      // milliseconds that the device stays away
	Install schemas.ID // whose connection it was
}

// Tomb is a cancel that came before its push. It waits for it as long as the
// idempotency window is.
type Tomb struct {
	ID   schemas.ID
	Time int64 // broker time
}

// Recent is a push id that was given by a caller within the window.
type Recent struct {
	ID     schemas.ID
	Pos    schemas.Position
	Digest uint64 // as Push.Digest: another one under the id is id_reused
	Time   int64  // broker time
}

// Waiting is a push that is to be delivered later. Its Pos is that of pushed.
type Waiting struct {
	Push *Push
	Due  int64 // microseconds since 1970
	TTL  int64 // microseconds, counted from the released record
	// Asked belongs to delivery: the term in which it asked for the release.
	Asked schemas.Position
}

// Apply folds one event: pos is its place, at the broker's append time in
// microseconds. It returns the user whom the event touched, nil where it is
// about none, or about one who is absent. Unknown kinds are ignored.
func (s *State) Apply(pos schemas.Position, at int64, e *schemas.Event) *User {
	if s.Sealed {
		return nil // it belongs to the next epoch
	}
	switch e.Kind {
	case schemas.Kind_KIND_CLAIMED:
		s.Term = pos
		return nil
	case schemas.Kind_KIND_SEALED:
		s.Sealed = true
		return nil
	}
	if e.User == "" || s.stale(e) {
		return nil
	}
	u := s.user(e.App, e.User, begins(e.Kind))
	if u == nil {
		s.keep(pos, at, e)
		return nil
	}
	if pos <= u.asOf {
		return nil // its rows had it
	}
	u.fold(pos, at, e)
	u.last = pos
	s.touch(u)
	return u
}

// stale says that e is a decision of a worker that does not own the partition.
func (s *State) stale(e *schemas.Event) bool {
	return e.Kind.Decided() && schemas.Position(e.Term) != s.Term
}

// begins says whether an event of that kind makes a user known. Any other is
// about what is known already, or was said by somebody whom nobody has
// verified: it must not cost memory.
func begins(k schemas.Kind) bool {
	return k == schemas.Kind_KIND_PUSHED || k == schemas.Kind_KIND_CANCEL_ASKED || k == schemas.Kind_KIND_CONNECTED
}

// user finds the user, or makes it. One who is absent is not found, and not made.
func (s *State) user(app, name string, create bool) *User {
	// The map is asked with bytes on the stack: no allocation for a known user.
	var buf [128]byte
	k := appendKey(buf[:0], app, name)
	if u := s.Users[string(k)]; u != nil {
		return u
	}
	if !create || s.absents.users[string(k)] != nil {
		return nil
	}
	u := &User{Key: string(k), App: strings.Clone(app), notes: notes{watched: s.watched}}
	u.Name = u.Key[len(app)+1:]
	s.Users[u.Key] = u
	return u
}

// appendKey is schemas.Key without memory of its own.
func appendKey(b []byte, app, name string) []byte {
	return append(append(append(b, app...), '/'), name...)
}

// fold applies an event to its user. A kind that is not named here changes
// nothing.
func (u *User) fold(pos schemas.Position, at int64, e *schemas.Event) {
	switch e.Kind {
	case schemas.Kind_KIND_PUSHED:
		u.pushed(pos, at, e)
	case schemas.Kind_KIND_CANCEL_ASKED:
		u.cancelAsked(at, e)
	case schemas.Kind_KIND_RELEASED:
		u.released(pos, at, e)
	case schemas.Kind_KIND_CONNECTED:
		u.connected(pos, at, e)
	case schemas.Kind_KIND_DISCONNECTED:
		u.disconnected(pos, at, e)
	case schemas.Kind_KIND_SENT:
		u.sent(at, e)
	case schemas.Kind_KIND_BOUNCED:
		u.bounced(at, e)
	case schemas.Kind_KIND_ACKED:
		u.acked(pos, at, e)
	case schemas.Kind_KIND_OPENED:
		u.opened(e)
	case schemas.Kind_KIND_IDENTIFIED:
		u.identified(e)
	case schemas.Kind_KIND_KICKED:
		u.kicked(at, e)
	case schemas.Kind_KIND_SESSION_ENDED:
		u.sessionOver(at, e, schemas.IDFrom(e.SessionEnded.GetSession()), e.SessionEnded.GetReason())
	case schemas.Kind_KIND_ROUTE_ENDED:
		u.routeEnded(at, e)
	case schemas.Kind_KIND_OUTCOME:
		u.outcome(e)
	case schemas.Kind_KIND_UNREACHED:
		u.unreached(e)
	}
}
