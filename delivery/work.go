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
	timer  int64                   // earliest entry in the heap; 0 = none

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

// count goes past a push.
func (w *userWork) count(p *mailbox.Push) {
	if p.End == 0 {
		w.open++
	}
	for i := range p.Copies {
		if p.Copies[i].Open() {
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
	w := &userWork{}
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

type timer struct {
	at   int64
	user *mailbox.User
}

// timers is a heap by time. A user has at most one live entry, the one that
// its work names; older ones are skipped when they come up.
type timers []timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push is heap.Interface's.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }

// Pop is heap.Interface's.
func (t *timers) Pop() any {
	old := *t
	x := old[len(old)-1]
	*t = old[:len(old)-1]
	return x
}

func (t *timers) pop() timer { return heap.Pop(t).(timer) }

// schedule sees to it that the user is pumped when something may become due.
func (c *Core) schedule(u *mailbox.User, w *userWork) {
	at := c.due(u)
	if at == 0 || w.timer != 0 && w.timer <= at {
		return
	}
	w.timer = at
	heap.Push(&c.timers, timer{at, u})
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
