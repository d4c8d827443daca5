package mailbox

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"

	"waybill/schemas"
)

// A user who is away may leave memory once the rows in Postgres have all that
// was read of it. What stays is who it is, when somebody must look at it, its
// push ids, and how far it had been read. The first event about it makes it
// wanted: that one and what follows are kept until its rows come.
//
//	Evict, Settle ──▶ absent ── event, Wake, Want ──▶ wanted ── Wants, rows ──▶ Return

// Rest is when somebody must look at an absent user, in broker time; 0 = never.
type Rest struct {
	Due int64 // time alone may change a decision then, and not before
	// What policies count from: Progress of the session whose device is away
	// longest, Since of the oldest push that has not been said to be unreached.
	Away, Since int64
}

// Rows are what a storing reader has of one user.
type Rows struct {
	User   *User            // without push ids
	Recent []Recent         // in rows written since Want.From, oldest first
	All    bool             // Recent is all that is stored of push ids
	Floor  schemas.Position // push ids before it have been forgotten
}

// Want names a user whose rows are wanted. Nothing is known of push ids that came
// at or after From.
type Want struct {
	Key  string
	From schemas.Position
}

// absent is a user who is not in memory.
type absent struct {
	key   string
	rest  Rest
	wake  int64            // when it is wanted; 0 = never. Only while it is in the heap
	asOf  schemas.Position // nothing about it was read beyond; rows must have that
	ids   *[]Recent        // oldest first; nil = none
	cold  *cold            // nil while nobody wants it
	place int32            // in the heap, from 1; 0 = not in it
}

// cold is what came about an absent user.
type cold struct {
	since  schemas.Position // all before it had been read
	missed schemas.Position // of the newest event that was not kept; 0 = all are
	kept   []kept
}

// kept is one event: encoded, since the reader uses its memory again.
type kept struct {
	pos   schemas.Position
	at    int64
	event []byte
}

// mostKept bounds the events that are kept for all absent users of a partition,
// in bytes. A user beyond it waits for rows that have them.
const mostKept = 16 << 20

// keptCost is about what an event costs beside its bytes.
const keptCost = 64

// absents are the users who are not in memory.
type absents struct {
	users  map[string]*absent // by key; nil in a reader that lets nobody go
	alarms alarms
	wanted []*absent // whose rows have not been asked for, oldest first
	bytes  int       // kept
	limit  int       // of bytes; 0 = mostKept
	faults AbsentFaults
}

// AbsentFaults switches off single clauses, for the simulation alone.
type AbsentFaults struct {
	LosesDeadlines bool // who leaves memory leaves no time behind
	LosesKept      bool // events about an absent user make it wanted, and are not kept
	KeepsNothing   bool // no fault: there is room for no event, so rows must have them all
}

// Plant takes clauses away. It is for the simulation alone.
func (s *State) Plant(f AbsentFaults) { s.absents.faults = f }

// Absent is how many users are not in memory.
func (s *State) Absent() int { return len(s.absents.users) }

// Last is the position of the newest event that was read of the user, or as of
// which its rows were.
func (u *User) Last() schemas.Position { return max(u.last, u.asOf) }

// AsOf notes what the rows of a restored user have. Once out of memory it does not
// come back from older ones: those of a replay that has not come so far.
func (u *User) AsOf(pos schemas.Position) { u.asOf = pos }

// Evict lets the user go: rows have everything up to Last, and nothing is to be
// said of it before wake (broker time; 0 = before an event comes).
func (s *State) Evict(u *User, r Rest, wake int64) {
	if s.absents.faults.LosesDeadlines {
		r, wake = Rest{}, 0
	}
	delete(s.Users, u.Key)
	s.Settle(u.Key, r, slices.Collect(u.Remembered()), u.Last())
	s.alarm(s.absents.users[u.Key], wake)
}

// Settle makes a user known who is in the rows as of that position and not in
// memory. Rewake says when it is wanted.
func (s *State) Settle(key string, r Rest, ids []Recent, asOf schemas.Position) {
	if s.absents.users == nil {
		s.absents.users = make(map[string]*absent)
	}
	a := &absent{key: key, rest: r, asOf: asOf}
	if len(ids) > 0 {
		ids = slices.Clone(ids)
		a.ids = &ids
	}
	s.absents.users[key] = a
}

// Rewake asks anew when each absent user is to be looked at: at takeover, and
// when policies change.
func (s *State) Rewake(wake func(app string, r Rest) int64) {
	x := &s.absents
	x.alarms = x.alarms[:0]
	for _, a := range x.users {
		app, _, _ := strings.Cut(a.key, "/")
		a.place = 0
		if a.wake = wake(app, a.rest); a.wake > 0 && a.cold == nil {
			x.alarms = append(x.alarms, a)
			a.place = int32(len(x.alarms))
		}
	}
	heap.Init(&x.alarms)
}

// alarm notes when the user is wanted.
func (s *State) alarm(a *absent, wake int64) {
	if a.wake = wake; wake > 0 {
		heap.Push(&s.absents.alarms, a)
	}
}

// Alarm is the next time at which an absent user is wanted; 0 = never.
func (s *State) Alarm() int64 {
	if len(s.absents.alarms) == 0 {
		return 0
	}
	return s.absents.alarms[0].wake
}

// Wake wants everybody whose time has come. All up to next has been read.
func (s *State) Wake(now int64, next schemas.Position) {
	for at := s.Alarm(); at > 0 && at <= now; at = s.Alarm() {
		s.want(s.absents.alarms[0], next+1)
	}
}

// Want has the user looked at although no event came and no time: false where it
// is not absent.
func (s *State) Want(key string, next schemas.Position) bool {
	a := s.absents.users[key]
	if a != nil {
		s.want(a, next+1)
	}
	return a != nil
}

// want notes that the user's rows are needed. Everything before since has been
// read.
func (s *State) want(a *absent, since schemas.Position) {
	if a.cold != nil {
		return
	}
	if a.place > 0 {
		heap.Remove(&s.absents.alarms, int(a.place-1))
	}
	a.cold = &cold{since: since}
	s.absents.wanted = append(s.absents.wanted, a)
}

// keep holds an event about a user who may be absent.
func (s *State) keep(pos schemas.Position, at int64, e *schemas.Event) {
	x := &s.absents
	var buf [128]byte
	a := x.users[string(appendKey(buf[:0], e.App, e.User))]
	if a == nil || pos <= a.asOf {
		return
	}
	s.want(a, pos)
	if x.faults.LosesKept {
		return
	}
	body, err := e.MarshalVT()
	if err != nil || x.faults.KeepsNothing || x.bytes+len(body)+keptCost > cmp.Or(x.limit, mostKept) {
		x.bytes -= a.cold.bytes()
		a.cold.kept, a.cold.missed = nil, pos
		return
	}
	a.cold.kept = append(a.cold.kept, kept{pos, at, body})
	x.bytes += len(body) + keptCost
}

// bytes that the kept events are counted with.
func (c *cold) bytes() (n int) {
	for i := range c.kept {
		n += len(c.kept[i].event) + keptCost
	}
	return n
}

// Wanted says that Wants has somebody.
func (s *State) Wanted() bool { return len(s.absents.wanted) > 0 }

// Wants hands out at most so many users whose rows are to be read, as of
// whatever moment. Each is handed out once, until Unanswered.
func (s *State) Wants(most int) []Want {
	x := &s.absents
	n := min(most, len(x.wanted))
	out := make([]Want, n)
	for i, a := range x.wanted[:n] {
		out[i] = Want{a.key, a.cold.since}
	}
	x.wanted = slices.Delete(x.wanted, 0, n)
	return out
}

// Unanswered takes wants back whose rows could not be read.
func (s *State) Unanswered(wants []Want) {
	for _, w := range wants {
		if a := s.absents.users[w.Key]; a != nil && a.cold != nil {
			s.absents.wanted = append(s.absents.wanted, a)
		}
	}
}

// Return takes a user back, from rows as of a position, and folds what was kept
// beyond it. Before that, mark may look at the user as the rows have it; asOf says
// what of it had been in memory. nil: the rows are too old, and it stays wanted.
func (s *State) Return(x *Rows, asOf schemas.Position, mark func(u *User, asOf schemas.Position)) *User {
	a := s.absents.users[x.User.Key]
	if a == nil || a.cold == nil {
		return nil // not asked for
	}
	if asOf < a.asOf || asOf < a.cold.missed {
		s.absents.wanted = append(s.absents.wanted, a)
		return nil
	}
	u := x.User
	delete(s.absents.users, a.key)
	s.Restore(u, a.remembered(x))
	u.asOf = asOf
	mark(u, a.asOf)
	for _, k := range a.cold.kept {
		s.refold(u, k)
	}
	s.absents.bytes -= a.cold.bytes()
	return u
}

// refold folds a kept event, unless the rows have it.
func (s *State) refold(u *User, k kept) {
	e := new(schemas.Event)
	if k.pos <= u.asOf || e.UnmarshalVT(k.event) != nil { // what was encoded here can be decoded
		return
	}
	u.fold(k.pos, k.at, e)
	u.last = k.pos
	s.touch(u)
}

// remembered are the push ids: those of memory, and those that rows have since.
func (a *absent) remembered(x *Rows) []Recent {
	var ids []Recent
	if a.ids != nil && !x.All {
		ids = *a.ids
	}
	for _, r := range x.Recent {
		if x.All || r.Pos >= a.cold.since {
			ids = append(ids, r)
		}
	}
	from, _ := slices.BinarySearchFunc(ids, x.Floor, func(r Recent, floor schemas.Position) int {
		if r.Pos < floor {
			return -1
		}
		return 1
	})
	return ids[from:]
}

// alarms is a heap by time.
type alarms []*absent

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].wake < h[j].wake }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = int32(i+1), int32(j+1)
}

// Push is heap.Interface's.
func (h *alarms) Push(x any) {
	a := x.(*absent)
	*h = append(*h, a)
	a.place = int32(len(*h))
}

// Pop is heap.Interface's.
func (h *alarms) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.place = 0
	return a
}
