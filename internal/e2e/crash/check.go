package crash

import (
	"fmt"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// violation is something that may never happen.
type violation struct {
	what   string       // in two words, the same for all of its kind
	place  ledger.Place // of the push; zero = of no push
	device string       // empty = the push as a whole
	say    string
}

func (v violation) String() string {
	if v.place.User == "" {
		return v.what + ": " + v.say
	}
	who := v.place.User
	if v.device != "" {
		who += "/" + v.device
	}
	if v.place.Position == 0 {
		return fmt.Sprintf("%s: of %s: %s", v.what, who, v.say)
	}
	return fmt.Sprintf("%s: push %v of %s %s", v.what, schemas.Position(v.place.Position), who, v.say)
}

// audit holds the three counts against each other.
type audit struct {
	ledger *ledger.Ledger
	pushes []push
	phones []*phone

	withdrawals []*withdrawal
	newer       map[ledger.Place]bool // pushes whose collapse key another one had later
	did         options
	handed      map[ledger.Place]bool // on any device
	found       []violation

	linePairs, callPairs int // whose order was compared
	shortDelivered       int // pushes with a short ttl that arrived
}

func (a *audit) wrong(what string, at ledger.Place, device, say string, args ...any) {
	a.found = append(a.found, violation{what, at, device, fmt.Sprintf(say, args...)})
}

// check all that the log, the office and the phones must agree on.
func (a *audit) check() []violation {
	a.findNewer()
	for _, at := range a.ledger.Places() {
		a.outcomes(at, a.ledger.Pushes[at])
	}
	a.asked()
	a.cancels()
	a.kicks()
	a.accepted()
	a.order()
	a.handed = make(map[ledger.Place]bool)
	for _, p := range a.phones {
		a.found = append(a.found, p.violations()...)
		a.phone(p)
	}
	a.wholes()
	return a.found
}

// outcomes: one as a whole, at most one for each device.
func (a *audit) outcomes(at ledger.Place, x *ledger.Push) {
	if x.Pushed == 0 {
		a.wrong("no push", at, "", "has outcomes, and the log has no push there: %v %v", x.Whole, x.Devices)
		return
	}
	if len(x.Whole) != 1 {
		a.wrong("outcomes as a whole", at, "", "has %d: %v", len(x.Whole), x.Whole)
		return
	}
	if x.TTL <= long && ledger.Delivered(x.Whole) {
		a.shortDelivered++
	}
	a.ended(at, "", x.Whole[0])
	a.asksKept(at, x)
	for name, ends := range x.Devices {
		if len(ends) > 1 {
			a.wrong("outcomes for a device", at, name, "has %d: %v", len(ends), ends)
		}
		if x.TTL <= long {
			a.ended(at, name, ends[0])
		}
	}
}

// ended: a push whose time has not come ends because it arrived, or came before
// under the same name; one whose time has come, by its ttl. None is poison: no
// application chokes here.
func (a *audit) ended(at ledger.Place, device string, end ledger.Ending) {
	x := a.ledger.Pushes[at]
	switch {
	case end.Class == schemas.Class_CLASS_DELIVERED:
	case end.Class == schemas.Class_CLASS_WITHDRAWN:
		a.withdrawn(at, device, end)
	case x.TTL > long:
		a.wrong("ended early", at, device, "could have lived for long and ended as %s, %s", end.Class.Word(), end.Reason.Word())
	case !byTTL(end):
		a.wrong("ended by no ttl", at, device, "had %d ms and ended as %s, %s", x.TTL, end.Class.Word(), end.Reason.Word())
	case end.Time < x.Due+x.TTL*1000:
		a.wrong("ended early", at, device, "had %d ms and ended after %d µs as %s, %s", x.TTL, end.Time-x.Due, end.Class.Word(), end.Reason.Word())
	}
}

// byTTL says whether a push whose time has come may end so.
func byTTL(end ledger.Ending) bool {
	switch end.Class {
	case schemas.Class_CLASS_LOST:
		return end.Reason == schemas.Reason_REASON_EXPIRED || end.Reason == schemas.Reason_REASON_NEVER_CONNECTED
	case schemas.Class_CLASS_UNCONFIRMED:
		return end.Reason != schemas.Reason_REASON_POISON
	}
	return false
}

// phone: what was delivered was handed over, and what was handed over was
// delivered or ended as unconfirmed. That it came once and in order the
// application has judged itself.
func (a *audit) phone(p *phone) {
	handed := make(map[uint64]bool)
	for _, n := range p.got() {
		at := a.ledger.Find(ledger.Place{User: p.User, Position: n.Position})
		handed[at.Position], a.handed[at] = true, true
		x := a.ledger.Pushes[at]
		if x == nil {
			a.wrong("handed and not pushed", at, p.Device.Device, "was handed over and is not in the log")
			continue
		}
		a.onTime(at, p.Device.Device, n)
		ends := x.Devices[p.Device.Device]
		dropped := p.replaced && len(ends) == 0 // with its session, before it said so
		if !dropped && !ledger.Delivered(ends) && !ledger.Unconfirmed(ends) {
			a.wrong("handed and not delivered", at, p.Device.Device, "was handed over and ended as %v", ends)
		}
		if say := unlike(p.Device.Device, n, x); say != "" {
			a.wrong("handed as another", at, p.Device.Device, "was handed over with %s", say)
		}
	}
	for _, at := range a.ledger.Order {
		if at.User == p.User && ledger.Delivered(a.ledger.Pushes[at].Devices[p.Device.Device]) && !handed[at.Position] {
			a.wrong("delivered and not handed", at, p.Device.Device, "counts as delivered and was never handed over")
		}
	}
	for _, at := range p.unpaid(a.ledger) {
		a.wrong("owed to a device", at, p.Device.Device, "could have lived for long and has ended for this device as %v, want delivered or unconfirmed",
			a.ledger.Pushes[at].Devices[p.Device.Device])
	}
}

// unpaid are the pushes that must have ended for the phone as delivered or
// unconfirmed, and have not: each of its user, whichever device was the first,
// that could live for long, came when the phone was known, and is no repeat.
func (p *phone) unpaid(l *ledger.Ledger) (all []ledger.Place) {
	if !p.early {
		return nil
	}
	for _, at := range l.Order {
		if at.User != p.User {
			continue
		}
		x := l.Pushes[at]
		if x.TTL <= long || x.Device != "" && x.Device != p.Device.Device || ledger.Has(x.Whole, schemas.Class_CLASS_WITHDRAWN) {
			continue
		}
		if ends := x.Devices[p.Device.Device]; x.FirstWins && spared(ends) {
			continue
		} else if !ledger.Delivered(ends) && !ledger.Unconfirmed(ends) {
			all = append(all, at)
		}
	}
	return all
}

// spared says that another device was the first.
func spared(ends []ledger.Ending) bool {
	return len(ends) == 1 && ends[0].Reason == schemas.Reason_REASON_DELIVERED_ELSEWHERE
}

// long is a ttl, in milliseconds, that no run outlasts.
const long = 10 * 60_000

// repeats says that a push came before under the same name.
func repeats(x *ledger.Push) bool {
	return len(x.Whole) > 0 && x.Whole[0].Reason == schemas.Reason_REASON_DUPLICATE
}

// wholes: delivered ≤ handed over ≤ delivered + unconfirmed, push by push.
func (a *audit) wholes() {
	for _, at := range a.ledger.Order {
		ends, handed := a.ledger.Pushes[at].Whole, a.handed[at]
		if ledger.Delivered(ends) && !handed {
			a.wrong("delivered and not handed", at, "", "counts as delivered and was never handed over")
		}
		if handed && !ledger.Delivered(ends) && !ledger.Unconfirmed(ends) {
			a.wrong("handed and not delivered", at, "", "was handed over and ended as %v", ends)
		}
	}
}

const clock = "15:04:05.000"
