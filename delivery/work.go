package delivery

import (
	"container/heap"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// userWork is what a worker remembers of a user within its term. All of it is
// forgotten at a claim.
type userWork struct {
	user   *mailbox.User
	asked  map[askKey]bool         // kicks, route and session ends under way
	closed map[schemas.ConnID]bool // closes that have been said
	series []series                // by device index
	held   []*way                  // that keep it silent

	timer int64 // when it is pumped; only while it is in the heap
	place int   // in the heap, from 1; 0 = not in it
	next  int64 // no later than when time alone changes a decision; 0 = never
	kick  int64 // when a kick has waited long enough, if it waits

	marked  bool // it is in Core.marked
	doubt   bool // it is in Core.doubts
	ahead   bool // it is in Core.ahead
	lingers bool // it is in Core.idle, since broker time queued
	queued  int64
	looked  int64 // broker time at which it was looked at last, while it lingers

	all    bool // each push must be decided on, not only those that changed
	closes bool // each close must be looked at
	exact  bool // open and owed are of the pushes before the one decided on

	// How many pushes have not ended as a whole, and how many each device is
	// owed: of those that have been decided on up to seen.
	open int
	owed []int
	seen schemas.Position
}

// grow makes room for the user's devices.
func (w *userWork) grow(u *mailbox.User) {
	for len(w.owed) < len(u.Devices) {
		w.owed = append(w.owed, 0)
	}
}

// count goes past a push. What will never be delivered, and what has an outcome
// under way, fills no mailbox: a worker's own lag must lose nothing.
func (c *Core) count(w *userWork, p *mailbox.Push) {
	if p.Ending.Counted = p.Never == 0 && p.End == 0 && c.endingWhole(p) == 0; p.Ending.Counted {
		w.open++
	}
	for i := range p.Copies {
		cp := &p.Copies[i]
		if cp.Work.Counted = cp.Open() && !c.ending(cp); cp.Work.Counted {
			w.owed[i]++
		}
	}
}

// uncount takes back what count added.
func (w *userWork) uncount(p *mailbox.Push) {
	if p.Ending.Counted {
		w.open--
	}
	for i := range p.Copies {
		if p.Copies[i].Work.Counted {
			w.owed[i]--
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
	way     *way             // to the connection's gate
	prev    schemas.Position // of the write before
	at      schemas.Position // newest written
	resumed bool
	adopted bool
}

func work(u *mailbox.User) *userWork {
	if w, ok := u.Work.(*userWork); ok {
		return w
	}
	w := &userWork{user: u, all: true, closes: true}
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

// schedule sees to it that the user is pumped when something may become due. A
// timer that is too early stays: most pushes end long before theirs, and to
// look at the time again then costs less than to move it each time.
func (c *Core) schedule(w *userWork, at int64) {
	switch {
	case at == 0:
	case w.place == 0:
		w.timer = at
		heap.Push(&c.timers, w)
	case at < w.timer:
		w.timer = at
		heap.Fix(&c.timers, w.place-1)
	}
}

// due is the next broker time at which time alone changes an output, after a
// look at everything; 0 = none.
func (c *Core) due(w *userWork) int64 {
	u := w.user
	w.next = c.later(w.kick)
	for _, p := range u.Pushes {
		c.await(w, p)
	}
	for i := range u.Waiting {
		w.next = sooner(w.next, c.later(u.Waiting[i].Due))
	}
	at := w.next
	for i := range u.Devices {
		at = sooner(at, c.later(c.ackDue(u, i)))
	}
	return at
}

// await notes when the push is late, when it is given up, and when it has waited
// for nobody.
func (c *Core) await(w *userWork, p *mailbox.Push) {
	w.next = sooner(w.next, c.later(p.Dead+1))
	w.next = sooner(w.next, c.later(p.Dead+c.set.AckTimer.Microseconds()+1))
	w.next = sooner(w.next, c.later(c.unreachedAt(w.user, p)))
}

// later is a time that has not come; 0 = it has.
func (c *Core) later(at int64) int64 {
	if at <= c.now {
		return 0
	}
	return at
}
