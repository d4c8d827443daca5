package ledger

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// log is a partition that a test writes by hand.
type log struct {
	ledger *Ledger
	next   schemas.Position
}

// add appends an event of anna and returns its position.
func (l *log) add(e *schemas.Event) uint64 {
	l.next++
	e.User = "anna"
	l.ledger.Enter(0, &eventlog.Entry{Position: l.next, Time: 1, Event: e})
	return uint64(l.next)
}

func (l *log) claim() uint64 { return l.add(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED}) }

func (l *log) push(name string) uint64 {
	return l.add(&schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{Name: name}})
}

// deliver to a device; the first one is the outcome as a whole too.
func (l *log) deliver(term, position uint64, device string, whole bool) {
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Term: term, Device: device, Outcome: &schemas.Outcome{
		Position: position, Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Whole: whole,
	}})
}

// TestOnlyTheNewestTermDecides: what a worker says after another has claimed
// counts for nobody.
func TestOnlyTheNewestTermDecides(t *testing.T) {
	l := log{ledger: New()}
	first := l.claim()
	one, two := l.push("one"), l.push("two")
	l.deliver(first, one, "phone", true)
	second := l.claim()
	l.deliver(first, two, "phone", true) // late
	if l.ledger.Unended != 1 || l.ledger.Stale != 1 {
		t.Errorf("%d pushes have not ended and %d decisions were stale, want 1 and 1", l.ledger.Unended, l.ledger.Stale)
	}
	l.deliver(second, two, "phone", true)
	l.deliver(second, two, "tablet", false)
	x := l.ledger.Pushes[Place{"anna", two}]
	if len(x.Whole) != 1 || x.Whole[0].Time != 1 || len(x.Devices) != 2 || !Delivered(x.Devices["tablet"]) || l.ledger.Unended != 0 {
		t.Errorf("the push has %d outcomes as a whole and %v, %d have not ended", len(x.Whole), x.Devices, l.ledger.Unended)
	}
}

// TestNothingIsForgotten: what may never be stands in the ledger for the checks.
func TestNothingIsForgotten(t *testing.T) {
	l := log{ledger: New()}
	term := l.claim()
	at := l.push("one")
	l.deliver(term, at, "phone", true)
	l.deliver(term, at, "phone", true)
	l.deliver(term, 99, "phone", true)
	if n := len(l.ledger.Pushes[Place{"anna", at}].Whole); n != 2 {
		t.Errorf("a second outcome was dropped: %d", n)
	}
	if x := l.ledger.Pushes[Place{"anna", 99}]; x == nil || x.Pushed != 0 {
		t.Errorf("an outcome of no push was dropped: %v", x)
	}
	if d := cmp.Diff([]Place{{"anna", at}, {"anna", 99}}, l.ledger.Places()); d != "" {
		t.Errorf("places (-want +got):\n%s", d)
	}
}

// TestReleased: outcomes name the position at which a push became due; the first
// released counts, and none after its end.
func TestReleased(t *testing.T) {
	l := log{ledger: New()}
	term := l.claim()
	at := l.add(&schemas.Event{Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{DeliverAt: 1}})
	release := func(of, term uint64) uint64 {
		return l.add(&schemas.Event{Kind: schemas.Kind_KIND_RELEASED, Term: term, Released: &schemas.Released{Position: of}})
	}
	release(at, term+99) // of no term
	x := l.ledger.Pushes[Place{"anna", at}]
	if x.Due != 0 {
		t.Error("a stale decision made the push due")
	}
	due := release(at, term)
	again := release(at, term)
	if from := l.ledger.Find(Place{"anna", due}); from.Position != at || l.ledger.Find(Place{"anna", again}).Position != again {
		t.Errorf("the push due at %d is the one at %d, want %d, and none is due at %d", due, from.Position, at, again)
	}
	l.deliver(term, due, "phone", true)
	if !Delivered(x.Whole) || x.Due != 1 || l.ledger.Unended != 0 || len(l.ledger.Pushes) != 1 {
		t.Errorf("the push ended as %v; %d have not", x.Whole, l.ledger.Unended)
	}
}

// TestCancelsAndKicks are kept by whom they are about.
func TestCancelsAndKicks(t *testing.T) {
	l := log{ledger: New()}
	term, id := l.claim(), schemas.ID{1}
	at := l.add(&schemas.Event{Kind: schemas.Kind_KIND_CANCEL_ASKED, CancelAsked: &schemas.CancelAsked{PushId: id[:]}})
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_KICKED, Term: term})
	if d := cmp.Diff(map[Asking][]uint64{{"anna", id}: {at}}, l.ledger.Cancels); d != "" || l.ledger.Kicks["anna"] != 1 {
		t.Errorf("kicks %v, cancels (-want +got):\n%s", l.ledger.Kicks, d)
	}
}

// TestRows: an event is no row, one or two; a decision of an older term is none.
func TestRows(t *testing.T) {
	l := log{ledger: New()}
	first := l.claim()
	at := l.push("one")
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_SENT, Sent: &schemas.Sent{Position: at}})
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_BOUNCED, Bounced: &schemas.Bounced{Position: at}})
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_BOUNCED, Bounced: &schemas.Bounced{}}) // of no push
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{Cursor: at}})
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_DISCONNECTED, Disconnected: &schemas.Disconnected{}})
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_REFUSED, TraceId: make([]byte, 16)})
	l.deliver(first, at, "phone", false)
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Term: first, Outcome: &schemas.Outcome{Position: at, Class: schemas.Class_CLASS_DELIVERED}})
	l.claim()
	l.add(&schemas.Event{Kind: schemas.Kind_KIND_ROUTE_ENDED, Term: first, RouteEnded: &schemas.RouteEnded{}})
	want := Rows{
		Hops:        map[string]int{"pushed": 1, "dispatched": 2, "sent": 1, "bounced": 1, "acked": 1, "outcome": 2, "refused": 1},
		Connections: map[string]int{"disconnected": 1, "refused": 1},
	}
	if d := cmp.Diff(want, l.ledger.Rows); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if l.ledger.Stale != 1 {
		t.Errorf("%d decisions were of older terms, want 1", l.ledger.Stale)
	}
}
