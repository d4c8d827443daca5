package mailbox

import (
	"iter"
	"slices"

	"waybill/schemas"
)

// changes is what a storing reader has not stored yet.
type changes struct {
	listed    bool               // in State.touched
	lists     bool               // Closing or Tombs
	gone      []schemas.Position // stored pushes that are over
	unwaited  []schemas.Position // stored waiting pushes that are due, or canceled
	recent    []Recent           // ids that were added
	forgotten bool               // ids have gone from the front of Recent
}

// Change is one user's difference between what is stored and what is folded.
type Change struct {
	User      *User
	Lists     bool               // Closing or Tombs differ: store them whole
	Devices   []DeviceChange     // new or changed
	Pushes    []*Push            // new or changed; body only of new ones
	New       []bool             // for each of Pushes: it has no row yet
	Gone      []schemas.Position // stored pushes that have ended
	Waiting   []Waiting          // that have no row yet; they keep their bodies
	Unwaited  []schemas.Position // stored ones that wait no more
	Recent    []Recent           // push ids to add, where they still stand in User.Recent
	Forgotten bool               // push ids older than the first of User.Remembered are to go
}

// DeviceChange is a device that differs from its row.
type DeviceChange struct {
	*Device
	Place  int  // in User.Devices
	Linked bool // session or route changed too, or it is new
	New    bool // its place has no rows yet
}

// Track makes the state collect changes from now on. Without it nothing is
// collected and Changes is empty.
func (s *State) Track() { s.track = true }

// touch notes that the user may have changed, once until the next Changes.
func (s *State) touch(u *User) {
	if !s.track {
		u.changes = changes{}
		return
	}
	if !u.changes.listed {
		u.changes.listed = true
		s.touched = append(s.touched, u)
	}
}

// gone notes that a push has left. One that was never stored leaves no trace:
// what begins and ends between two flushes writes no row.
func (u *User) gone(p *Push) {
	if p.stored {
		u.changes.gone = append(u.changes.gone, p.Pos)
	}
}

// Changes hands out what changed since the last call and forgets it. The
// caller stores it in one transaction; if that fails for good, the state must
// be loaded anew. Once stored, a push's body may be let go (Push.Body = nil).
func (s *State) Changes() []Change {
	out := make([]Change, 0, len(s.touched))
	for _, u := range s.touched {
		out = append(out, u.take())
	}
	s.touched = s.touched[:0]
	return out
}

// take hands out the user's changes and marks them as stored.
func (u *User) take() Change {
	x := u.changes
	c := Change{User: u, Lists: x.lists, Gone: x.gone, Unwaited: x.unwaited, Recent: x.recent, Forgotten: x.forgotten}
	u.changes = changes{}
	for i := range u.Devices {
		if d := &u.Devices[i]; d.changed || d.linked {
			c.Devices = append(c.Devices, DeviceChange{Device: d, Place: i, Linked: d.linked || !d.stored, New: !d.stored})
			d.changed, d.linked, d.stored = false, false, true
		}
	}
	for _, w := range u.Waiting {
		if !w.Push.stored {
			c.Waiting = append(c.Waiting, w)
			w.Push.stored = true
		}
	}
	for _, p := range u.Pushes {
		if p.changed {
			c.Pushes, c.New = append(c.Pushes, p), append(c.New, !p.stored)
			p.changed, p.stored = false, true
		}
	}
	return c
}

// unwait takes a push out of Waiting. Its row there, if it has one, must go;
// as a push that is due it has none yet.
func (u *User) unwait(i int) *Push {
	p := u.Waiting[i].Push
	u.uncount(p)
	u.Waiting = slices.Delete(u.Waiting, i, i+1)
	if p.stored {
		u.changes.unwaited = append(u.changes.unwaited, p.Pos)
	}
	p.changed, p.stored = true, false
	return p
}

// Remembered yields Recent, oldest first. Ids are forgotten in that order, so
// the first one says which of all that were ever added are still known.
func (u *User) Remembered() iter.Seq[Recent] {
	return func(yield func(Recent) bool) {
		for _, id := range u.recentOrder {
			if !yield(u.Recent[id]) {
				return
			}
		}
	}
}

// Restore puts a stored user into the state: the storing reader's rows become
// the fold's memory. Pushes, waiting ones and push ids must be sorted by
// position.
func (s *State) Restore(u *User, recent []Recent) {
	for _, r := range recent {
		if u.Recent == nil {
			u.Recent = make(map[schemas.ID]Recent)
		}
		u.Recent[r.ID] = r
		u.recentOrder = append(u.recentOrder, r.ID)
	}
	for i := range u.Devices {
		u.Devices[i].stored = true
	}
	for _, p := range u.Pushes {
		p.stored = true
	}
	for _, w := range u.Waiting {
		w.Push.stored = true
	}
	u.watched, u.moved = s.watched, true
	s.Users[u.Key] = u
}
