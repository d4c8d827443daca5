package crash

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"waybill/internal/e2e/ledger"
)

// logged is a try whose place in the log is known.
type logged struct {
	*try
	name string
	at   ledger.Place
}

// order: for one user, the caller's own order is the log's. The lines of one
// call that were accepted stand in their order; and what was accepted before a
// call was made stands before all that this call brought.
func (a *audit) order() {
	traces := a.traces()
	users := make(map[string][]logged)
	for n := range a.pushes {
		p := &a.pushes[n]
		for i := range p.tries {
			t := &p.tries[i]
			if places := traces[said{p.User, t.trace}]; !t.trace.IsZero() && len(places) == 1 {
				users[p.User] = append(users[p.User], logged{t, p.Name, places[0]})
			}
		}
	}
	for _, user := range slices.Sorted(maps.Keys(users)) {
		a.lines(users[user])
		a.calls(users[user])
	}
}

// lines of each call.
func (a *audit) lines(all []logged) {
	all = slices.DeleteFunc(slices.Clone(all), func(x logged) bool { return x.status != statusAccepted })
	slices.SortFunc(all, func(x, y logged) int { return cmp.Or(cmp.Compare(x.call, y.call), cmp.Compare(x.line, y.line)) })
	for n := 1; n < len(all); n++ {
		x, y := all[n-1], all[n]
		if x.call != y.call {
			continue
		}
		if a.linePairs++; y.at.Position <= x.at.Position {
			a.wrong("lines out of order", y.at, "", "is line %d of call %d (%s), and stands before its line %d (%s) at %d",
				y.line, y.call, y.name, x.line, x.name, x.at.Position)
		}
	}
}

// calls of which one was made when another had been answered.
func (a *audit) calls(all []logged) {
	made := slices.SortedFunc(slices.Values(all), func(x, y logged) int { return x.made.Compare(y.made) })
	answered := slices.DeleteFunc(slices.Clone(all), func(x logged) bool { return x.status != statusAccepted })
	slices.SortFunc(answered, func(x, y logged) int { return x.answered.Compare(y.answered) })
	var newest logged // by position, of what had been answered
	for _, y := range made {
		for len(answered) > 0 && answered[0].answered.Before(y.made) {
			if x := answered[0]; newest.try == nil || x.at.Position > newest.at.Position {
				newest = x
			}
			answered = answered[1:]
		}
		if newest.try == nil {
			continue
		}
		if a.callPairs++; y.at.Position <= newest.at.Position {
			a.wrong("calls out of order", y.at, "", "is %s of call %d, made at %s, and stands before %s at %d, which was accepted %v earlier",
				y.name, y.call, y.made.Format(clock), newest.name, newest.at.Position, y.made.Sub(newest.answered).Round(time.Microsecond))
		}
	}
}
