package mailbox

import (
	"cmp"
	"slices"
)

// notes are what a deciding reader has not looked at yet.
type notes struct {
	watched bool
	moved   bool    // routes, sessions, closing connections or waiting pushes
	noted   []*Push // new, changed or gone
}

// Watch makes the state note from now on what each event touched, for a reader
// that decides (see User.Touched). What is in the state already counts as moved.
func (s *State) Watch() {
	s.watched = true
	for _, u := range s.Users {
		u.watched, u.moved = true, true
	}
}

// Unwatch ends that, and forgets what was noted.
func (s *State) Unwatch() {
	s.watched = false
	for _, u := range s.Users {
		for _, p := range u.noted {
			p.noted = false
		}
		u.notes = notes{}
	}
}

// note says that the push has changed.
func (u *User) note(p *Push) {
	p.changed = true
	if u.watched && !p.noted {
		p.noted = true
		u.noted = append(u.noted, p)
	}
}

// Touched appends to list the pushes that are new, have changed or have gone
// (those are Over) since the last call, by position, and says whether anything
// else of the user has changed on which a decision may depend.
func (u *User) Touched(list []*Push) (pushes []*Push, moved bool) {
	moved, u.moved = u.moved, false
	if len(u.noted) == 0 {
		return list, moved
	}
	for _, p := range u.noted {
		p.noted = false
	}
	list = append(list, u.noted...)
	if len(u.noted) > 1 {
		slices.SortFunc(list, func(p, q *Push) int { return cmp.Compare(p.Pos, q.Pos) })
	}
	clear(u.noted)
	if u.noted = u.noted[:0]; cap(u.noted) > mostNoted {
		u.noted = nil
	}
	return list, moved
}

// mostNoted is the room for notes that a user keeps, so that one who is seldom
// heard of costs little.
const mostNoted = 4
