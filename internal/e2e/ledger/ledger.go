// Package ledger is what the log says of every push, by the rules of DESIGN §4
// alone: it shares nothing with the fold of delivery and the projectors, so
// that a test can hold them against it.
//
// A decision counts only under the term that was the newest when it was
// appended. Nothing is forgotten: the checks are the reader's.
package ledger

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Ledger of waybill.events. It is not safe for several goroutines; Books are.
type Ledger struct {
	Pushes     map[Place]*Push
	Order      []Place          // pushes as they were read, repeats of a name among them
	Partitions map[string]int32 // of users
	Unended    int              // pushes without an outcome as a whole
	Stale      int              // decisions of older terms, which are none
	Kinds      map[schemas.Kind]int
	Rows       Rows                   // what the history must have of all this
	Ends       map[schemas.Reason]int // connections by why they ended
	Cancels    map[Asking][]uint64    // positions of what asked for the end of an id
	Kicks      map[string]int         // sessions that were kicked, by user

	terms map[int32]schemas.Position
	due   map[Place]Place // places of pushes by those at which they became due later
}

// Asking names the pushes that a cancel is about.
type Asking struct {
	User string
	ID   schemas.ID
}

// Place is a push's identity: positions are those of one partition.
type Place struct {
	User     string
	Position uint64
}

// Device of a user.
type Device struct{ User, Device string }

// Push is one push and every outcome that the log has of it.
type Push struct {
	Asked
	ID      schemas.ID
	Trace   schemas.ID
	Span    [8]byte // the caller's; zero = none
	Pushed  int64   // broker's time; 0 = there are outcomes of a push that there is not
	At      int64   // deliver_at in microseconds; 0 = at once
	Due     int64   // broker's time from which its ttl counts; 0 = not yet
	Whole   []Ending
	Devices map[string][]Ending
}

// Asked is what a caller says of a push, as the log has it.
type Asked struct {
	App, Device     string // no device = all of the user's
	Name            string // the caller's own push id
	Family, Command uint32
	TTL             int64 // milliseconds
	Label           string
	Body            string
	Collapse        string // collapse key
	FirstWins       bool
}

// Ending is one outcome.
type Ending struct {
	Class   schemas.Class
	Reason  schemas.Reason
	Attempt uint32
	First   uint64 // of a duplicate: position of the push that came first
	Time    int64  // broker's, in microseconds as Push.Pushed
	// Whether it reached the steps between accepted and its end. A later one
	// implies the earlier: a gate that dies takes its last facts along.
	Dispatched, Sent bool
}

// New is an empty ledger.
func New() *Ledger {
	return &Ledger{
		Pushes: make(map[Place]*Push), Partitions: make(map[string]int32), terms: make(map[int32]schemas.Position),
		Kinds: make(map[schemas.Kind]int), Rows: newRows(), Ends: make(map[schemas.Reason]int),
		Cancels: make(map[Asking][]uint64), Kicks: make(map[string]int), due: make(map[Place]Place),
	}
}

// Enter takes the next record of a partition.
func (l *Ledger) Enter(partition int32, r *eventlog.Entry) {
	e := r.Event
	l.Kinds[e.Kind]++
	if e.Kind.Decided() && schemas.Position(e.Term) != l.terms[partition] {
		l.Stale++
		return
	}
	l.Rows.enter(e)
	switch e.Kind {
	case schemas.Kind_KIND_CLAIMED:
		l.terms[partition] = r.Position
	case schemas.Kind_KIND_PUSHED:
		l.pushed(partition, r)
	case schemas.Kind_KIND_OUTCOME:
		l.outcome(r)
	case schemas.Kind_KIND_RELEASED:
		l.released(r)
	case schemas.Kind_KIND_CANCEL_ASKED:
		asking := Asking{strings.Clone(e.User), schemas.IDFrom(e.CancelAsked.GetPushId())}
		l.Cancels[asking] = append(l.Cancels[asking], uint64(r.Position))
	case schemas.Kind_KIND_KICKED:
		l.Kicks[strings.Clone(e.User)]++
	case schemas.Kind_KIND_DISCONNECTED:
		l.Ends[e.Disconnected.GetReason()]++
	}
}

func (l *Ledger) pushed(partition int32, r *eventlog.Entry) {
	e, b := r.Event, r.Event.Pushed
	user := strings.Clone(e.User)
	at := Place{user, uint64(r.Position)}
	l.Partitions[user] = partition
	l.Order = append(l.Order, at)
	l.Unended++
	x := &Push{
		Asked: Asked{
			App: strings.Clone(e.App), Device: strings.Clone(e.Device), Name: strings.Clone(b.Name),
			Family: b.Family, Command: b.Command, TTL: b.Ttl, Label: strings.Clone(b.Label), Body: string(b.Body),
			Collapse: strings.Clone(b.CollapseKey), FirstWins: b.FirstDeviceWins,
		},
		At: b.DeliverAt,
		ID: schemas.IDFrom(b.PushId), Trace: schemas.IDFrom(e.TraceId), Pushed: r.Time, Devices: make(map[string][]Ending),
	}
	copy(x.Span[:], e.ParentSpan)
	if x.At == 0 {
		x.Due = r.Time
	}
	l.Pushes[at] = x
}

// released: from now on the push is known by this position; the first one counts.
func (l *Ledger) released(r *eventlog.Entry) {
	at := Place{r.Event.User, r.Event.Released.GetPosition()}
	if x := l.Pushes[at]; x != nil && x.Due == 0 && len(x.Whole) == 0 {
		at.User = strings.Clone(at.User)
		x.Due = r.Time
		l.due[Place{at.User, uint64(r.Position)}] = at
	}
}

// Find the place of a push by a position under which devices and outcomes know
// it: that of its pushed, or of the released by which it became due.
func (l *Ledger) Find(at Place) Place {
	if from, ok := l.due[at]; ok {
		return from
	}
	return at
}

func (l *Ledger) outcome(r *eventlog.Entry) {
	e, b := r.Event, r.Event.Outcome
	at := l.Find(Place{e.User, b.Position})
	x := l.Pushes[at]
	if x == nil {
		x = &Push{Devices: make(map[string][]Ending)} // of nothing: the checks find it
		l.Pushes[Place{strings.Clone(e.User), b.Position}] = x
	}
	end := Ending{Class: b.Class, Reason: b.Reason, Attempt: b.Attempt, First: b.First, Time: r.Time}
	end.Sent = b.Steps.GetSent() != 0 || b.Class == schemas.Class_CLASS_DELIVERED || b.Reason == schemas.Reason_REASON_SENT_UNACKED
	end.Dispatched = b.Steps.GetDispatched() != 0 || end.Sent || b.Class == schemas.Class_CLASS_UNCONFIRMED
	if e.Device != "" {
		name := strings.Clone(e.Device)
		x.Devices[name] = append(x.Devices[name], end)
	}
	if e.Device == "" || b.Whole {
		if len(x.Whole) == 0 {
			l.Unended--
		}
		x.Whole = append(x.Whole, end)
	}
}

// ByID finds a push by its push id.
func (l *Ledger) ByID(id schemas.ID) (Place, *Push) {
	for at, x := range l.Pushes {
		if x.ID == id {
			return at, x
		}
	}
	return Place{}, nil
}

// Places of all pushes, in the order of user and position.
func (l *Ledger) Places() []Place {
	return slices.SortedFunc(maps.Keys(l.Pushes), func(a, b Place) int {
		return cmp.Or(strings.Compare(a.User, b.User), cmp.Compare(a.Position, b.Position))
	})
}

// Has says that one of the outcomes is of that class.
func Has(ends []Ending, class schemas.Class) bool {
	return slices.ContainsFunc(ends, func(e Ending) bool { return e.Class == class })
}

// Delivered says that one of the outcomes is delivered.
func Delivered(ends []Ending) bool { return Has(ends, schemas.Class_CLASS_DELIVERED) }

// Unconfirmed says that one of the outcomes is unconfirmed.
func Unconfirmed(ends []Ending) bool { return Has(ends, schemas.Class_CLASS_UNCONFIRMED) }
