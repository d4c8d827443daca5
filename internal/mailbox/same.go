package mailbox

import (
	"fmt"
	"slices"
)

// Same says where two folds of the same events differ: for tests, simulation
// and rebuilds. What a reader keeps for itself is left out: delivery's work,
// bodies that were let go, what is tracked.
func Same(a, b *State) error {
	if a.Term != b.Term || a.Sealed != b.Sealed {
		return fmt.Errorf("terms %v and %v, sealed %v and %v", a.Term, b.Term, a.Sealed, b.Sealed)
	}
	for key, u := range a.Users {
		if err := sameUser(u, orNobody(b.Users[key])); err != nil {
			return fmt.Errorf("user %q: %w", key, err)
		}
	}
	for key, v := range b.Users {
		if err := sameUser(orNobody(a.Users[key]), v); err != nil {
			return fmt.Errorf("user %q: %w", key, err)
		}
	}
	return nil
}

// orNobody: a user of whom there is nothing to say need not be there.
func orNobody(u *User) *User {
	if u == nil {
		return &User{}
	}
	return u
}

func sameUser(u, v *User) error {
	switch {
	case !slices.EqualFunc(u.Devices, v.Devices, sameDevice):
		return fmt.Errorf("devices %+v and %+v", u.Devices, v.Devices)
	case !slices.Equal(u.Closing, v.Closing):
		return fmt.Errorf("closing %v and %v", u.Closing, v.Closing)
	case !slices.Equal(u.Tombs, v.Tombs):
		return fmt.Errorf("tombstones %v and %v", u.Tombs, v.Tombs)
	case !slices.Equal(u.recentOrder, v.recentOrder):
		return fmt.Errorf("push ids %v and %v", u.recentOrder, v.recentOrder)
	}
	for _, id := range u.recentOrder {
		if u.Recent[id] != v.Recent[id] {
			return fmt.Errorf("push id %v: %v and %v", id, u.Recent[id], v.Recent[id])
		}
	}
	return samePushes(u, v)
}

func samePushes(u, v *User) error {
	if len(u.Pushes) != len(v.Pushes) || len(u.Waiting) != len(v.Waiting) {
		return fmt.Errorf("%d pushes and %d, waiting %d and %d", len(u.Pushes), len(v.Pushes), len(u.Waiting), len(v.Waiting))
	}
	for i, p := range u.Pushes {
		if !samePush(p, v.Pushes[i]) {
			return fmt.Errorf("pushes %+v and %+v", *p, *v.Pushes[i])
		}
	}
	for i := range u.Waiting {
		x, y := &u.Waiting[i], &v.Waiting[i]
		if x.Due != y.Due || x.TTL != y.TTL || !samePush(x.Push, y.Push) {
			return fmt.Errorf("waiting %+v and %+v", *x.Push, *y.Push)
		}
	}
	return nil
}

func sameDevice(a, b Device) bool {
	a.changed, b.changed, a.linked, b.linked, a.swept, b.swept = false, false, false, false, 0, 0
	a.stored, b.stored = false, false
	return a == b
}

func samePush(p, q *Push) bool {
	return sameRecord(p, q) &&
		p.Ask == q.Ask && p.End == q.End && p.Delivered == q.Delivered && p.Unconfirmed == q.Unconfirmed &&
		p.Unreached == q.Unreached &&
		sameCopies(p.Copies, q.Copies)
}

func sameRecord(p, q *Push) bool {
	return p.Pos == q.Pos && p.Pushed == q.Pushed && p.ID == q.ID && p.Trace == q.Trace && p.Span == q.Span && p.Name == q.Name &&
		p.Label == q.Label && p.CollapseKey == q.CollapseKey && p.Family == q.Family && p.Command == q.Command &&
		p.Digest == q.Digest && p.Device == q.Device && p.FirstWins == q.FirstWins && p.Accepted == q.Accepted &&
		p.Since == q.Since && p.Dead == q.Dead && p.Never == q.Never && p.First == q.First
}

// sameCopies takes copies that are missing at the end for zero ones.
func sameCopies(a, b []Copy) bool {
	for i := range max(len(a), len(b)) {
		var x, y Copy
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x.Work, y.Work = (Work{}), (Work{}); x != y {
			return false
		}
	}
	return true
}
