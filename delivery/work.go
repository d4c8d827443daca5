package delivery

import (
	"container/heap"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// userWork is what a worker remembers of a user within its term. All of it is
// forgotten at a claim.
type userWork struct {
	asked  map[askKey]bool         // kicks, route and session ends under way
	closed map[schemas.ConnID]bool // closes that have been said
	series []series                // by device index

	user  *mailbox.User
	timer int64 // when it is pumped; only while it is in the heap
	place int   // in the heap, from 1; 0 = not in it

	// Of the pushes before the one that is decided on: how many have not ended
	// as a whole, and how many each device is owed.
	open int
	owed []int
}

// before begins at the mailbox's first push.
func (w *userWork) before(u *mailbox.User) {
	w.open = 0
	for len(w.owed) < len(u.Devices) {
		w.owed = append(w.owed, 0)
	}
	clear(w.owed)
}

// count goes past a push. What will never be delivered, and what has an outcome
// under way, fills no mailbox: a worker's own lag must lose nothing.
func (c *Core) count(w *userWork, p *mailbox.Push) {
	if p.Never == 0 && p.End == 0 && c.endingWhole(p) == 0 {
		w.open++
	}
	for i := range p.Copies {
		if cp := &p.Copies[i]; cp.Open() && !c.ending(cp) {
			w.owed[i]++
		}
	}
}

// maxAsked bounds what is remembered of decisions that are under way; when it
// is reached they are forgotten and, at worst, said once more, which every
// reader's fold takes.
const maxAsked = 256

// askKey names a decision that is under way.
type askKey struct {
	kind   schemas.Kind
	id     schemas.ID
	conn   schemas.ConnID
	reason schemas.Reason
}

// series is what has been written to one connection.
type series struct {
	conn    schemas.ConnID
	prev    schemas.Position // of the write before
	at      schemas.Position // newest written
	resumed bool
	adopted bool
}

func work(u *mailbox.User) *userWork {
	if w, ok := u.Work.(*userWork); ok {
		return w
	}
	w := &userWork{user: u}
	u.Work = w
	return w
}

func (w *userWork) seriesOf(i int) *series {
	for len(w.series) <= i {
		w.series = append(w.series, series{})
	}
	return &w.series[i]
}

// once says whether the decision is asked for the first time in this term.
func (w *userWork) once(k askKey) bool {
	if w.asked[k] {
		return false
	}
	if w.asked == nil || len(w.asked) >= maxAsked {
		w.asked = make(map[askKey]bool)
	}
	w.asked[k] = true
	return true
}

// timers is a heap by time, with at most one entry for each user: memory is
// bounded by the users, not by the pushes.
type timers []*userWork

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].timer < t[j].timer }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i+1, j+1
}

// Push is heap.Interface's.
func (t *timers) Push(x any) {
	w := x.(*userWork)
	*t = append(*t, w)
	w.place = len(*t)
}

// Pop is heap.Interface's.
func (t *timers) Pop() any {
	old := *t
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	w.place = 0
	return w
}

// schedule sees to it that the user is pumped when something may become due,
// and not kept in the heap when nothing can.
func (c *Core) schedule(u *mailbox.User, w *userWork) {
	at := c.due(u)
	switch {
	case at == 0 && w.place > 0:
		heap.Remove(&c.timers, w.place-1)
	case at != 0 && w.place == 0:
		w.timer = at
		heap.Push(&c.timers, w)
	case at != 0 && at != w.timer:
		w.timer = at
		heap.Fix(&c.timers, w.place-1)
	}
}

// due is the next broker time at which time alone changes an output.
func (c *Core) due(u *mailbox.User) int64 {
	next := int64(0)
	add := func(at int64) {
		if at > c.now && (next == 0 || at < next) {
			next = at
		}
	}
	for _, p := range u.Pushes {
		add(p.Dead + 1)
		add(p.Dead + c.set.AckTimer.Microseconds() + 1)
	}
	for i := range u.Waiting {
		add(u.Waiting[i].Due)
	}
	for i := range u.Devices {
		if at := c.ackDue(u, i); at > 0 {
			add(at)
		}
	}
	return next
}
