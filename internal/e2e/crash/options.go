package crash

import (
	"fmt"
	"math/rand/v2"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

const (
	// collapseUsers share the pushes with a collapse key, so that newer ones come
	// while older ones wait.
	collapseUsers = 40
	// longestDelay of deliver_at behind the time at which a push is made.
	longestDelay = 15 * time.Second
	// How far before or behind its push a cancel is due. Most are to come first:
	// behind it, nearly all come too late, and while ingests are away all do.
	cancelAhead, cancelBehind = 8 * time.Second, time.Second
)

// option draws what one push of five asks for besides its delivery. Those for
// users who are away, and short-lived ones, have none.
func (p *push) option(rng *rand.Rand) {
	switch d := rng.IntN(100); {
	case d < 6:
		p.User, p.Device = user(rng.IntN(collapseUsers)), ""
		p.Collapse = []string{"price", "place"}[rng.IntN(2)]
	case d < 10:
		p.delay = 500*time.Millisecond + time.Duration(rng.Int64N(int64(longestDelay)))
		if p.cancels = rng.IntN(4) == 0; p.cancels {
			p.cancel = p.due + time.Duration(rng.Int64N(int64(p.delay)))
		}
	case d < 15:
		p.FirstWins, p.Device = true, ""
		p.User = user(4 * rng.IntN(users/4)) // who has several devices
	case d < 19:
		p.cancel = p.due + time.Duration(rng.Int64N(int64(cancelAhead+cancelBehind))) - cancelAhead
		p.cancels = true
	}
}

func user(n int) string { return fmt.Sprintf("user-%03d", n) }

// devicesOf the nth user: every fourth has two, every eighth three.
func devicesOf(n int) int {
	switch {
	case n%8 == 0:
		return 3
	case n%4 == 0:
		return 2
	}
	return 1
}

// options counts pushes that ended by what their caller asked for.
type options struct {
	collapsed, canceled, early, elsewhere, delayed int
}

// fewestOf each of them: what never happens shows nothing. A twentieth of what
// the smallest run has.
const fewestOf = 20

// lacks says what happened too rarely.
func (o options) lacks() (all []string) {
	for _, x := range []struct {
		what string
		n    int
	}{
		{"pushes were collapsed", o.collapsed}, {"pushes were canceled", o.canceled}, {"pushes were canceled before they were seen", o.early},
		{"pushes were withdrawn from a device because another had them", o.elsewhere}, {"pushes waited for their time", o.delayed},
	} {
		if x.n < fewestOf {
			all = append(all, fmt.Sprintf("only %d %s, want %d", x.n, x.what, fewestOf))
		}
	}
	return all
}

// withdrawn: only what the caller asked for withdraws a push, for a device or,
// without one, as a whole.
func (a *audit) withdrawn(at ledger.Place, device string, end ledger.Ending) {
	x := a.ledger.Pushes[at]
	why := ""
	switch end.Reason {
	case schemas.Reason_REASON_DUPLICATE:
	case schemas.Reason_REASON_COLLAPSED:
		if !a.newer[at] {
			why = "no newer push has its collapse key"
		}
	case schemas.Reason_REASON_CANCELED:
		if len(a.ledger.Cancels[ledger.Asking{User: at.User, ID: x.ID}]) == 0 {
			why = "nobody asked for that"
		}
	case schemas.Reason_REASON_DELIVERED_ELSEWHERE:
		if device == "" || !x.FirstWins || !ledger.Delivered(x.Whole) {
			why = "it was not for the first device, or none had it"
		}
	default:
		why = "that is for nobody to decide here"
	}
	if why != "" {
		a.wrong("withdrawn", at, device, "ended as %s, and %s", end.Reason.Word(), why)
	}
}

// keyed is a user's collapse key.
type keyed struct{ user, key string }

// findNewer marks the pushes behind which a newer one of their key became due.
// Repeats, and what was canceled before it was seen, replace nothing.
func (a *audit) findNewer() {
	a.newer = make(map[ledger.Place]bool)
	last := make(map[keyed]ledger.Place)
	for _, at := range a.ledger.Places() {
		x := a.ledger.Pushes[at]
		if x.Collapse == "" || repeats(x) || a.buried(at) {
			continue
		}
		k := keyed{at.User, x.Collapse}
		if before, ok := last[k]; ok {
			a.newer[before] = true
		}
		last[k] = at
	}
}

// buried: its cancel came first.
func (a *audit) buried(at ledger.Place) bool {
	for _, c := range a.ledger.Cancels[ledger.Asking{User: at.User, ID: a.ledger.Pushes[at].ID}] {
		if c < at.Position {
			return true
		}
	}
	return false
}

// asksKept holds one push against what its caller asked for, and counts.
func (a *audit) asksKept(at ledger.Place, x *ledger.Push) {
	whole := x.Whole[0]
	switch {
	case repeats(x):
	case a.buried(at) && whole.Reason != schemas.Reason_REASON_CANCELED:
		a.wrong("canceled and not withdrawn", at, "", "came after its cancel and ended as %s, %s", whole.Class.Word(), whole.Reason.Word())
	case a.buried(at):
		a.did.early++
	case whole.Reason == schemas.Reason_REASON_CANCELED:
		a.did.canceled++
	case whole.Reason == schemas.Reason_REASON_COLLAPSED:
		a.did.collapsed++
	case x.At > 0:
		a.did.delayed++
	}
	if x.Due > 0 && x.Due < x.At {
		a.wrong("too early", at, "", "became due %d µs before its time", x.At-x.Due)
	}
	for device, ends := range x.Devices {
		if len(ends) == 0 {
			continue
		}
		if ends[0].Class == schemas.Class_CLASS_WITHDRAWN && x.TTL > long { // shorter ones: see ended
			a.withdrawn(at, device, ends[0])
		}
		if ends[0].Reason == schemas.Reason_REASON_DELIVERED_ELSEWHERE {
			a.did.elsewhere++
		}
	}
}

// onTime: nobody is handed a push before its time. The clocks are one.
func (a *audit) onTime(at ledger.Place, device string, n note) {
	if x := a.ledger.Pushes[at]; n.at.UnixMicro() < x.At {
		a.wrong("too early", at, device, "was handed over %d µs before its time", x.At-n.at.UnixMicro())
	}
}
