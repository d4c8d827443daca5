package mailbox

import "waybill/schemas"

// changes is what a storing reader has not stored yet.
type changes struct {
	listed    bool // in State.touched
	lists     bool // Waiting, Closing, Ended or Tombs
	gone      []schemas.Position
	recent    []Recent
	forgotten []schemas.ID
}

// Change is one user's difference between what is stored and what is folded.
type Change struct {
	User      *User
	Lists     bool               // Waiting, Closing, Ended or Tombs differ: store them whole
	Devices   []*Device          // new or changed
	Pushes    []*Push            // new or changed; body only of new ones
	New       []bool             // for each of Pushes: it has no row yet
	Gone      []schemas.Position // stored pushes that have ended
	Recent    []Recent           // push ids to add
	Forgotten []schemas.ID       // push ids to remove
}

// Track makes the state collect changes from now on. Without it nothing is
// collected and Changes is empty.
func (s *State) Track() { s.track = true }

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

func (u *User) take() Change {
	c := Change{User: u, Lists: u.changes.lists, Gone: u.changes.gone, Recent: u.changes.recent, Forgotten: u.changes.forgotten}
	u.changes = changes{}
	for i := range u.Devices {
		if d := &u.Devices[i]; d.changed {
			d.changed = false
			c.Devices = append(c.Devices, d)
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

// Restore puts a stored user into the state: the storing reader's rows become
// the fold's memory. Pushes must be sorted by position.
func (s *State) Restore(u *User, recent []Recent) {
	for _, r := range recent {
		if u.Recent == nil {
			u.Recent = make(map[schemas.ID]Recent)
		}
		u.Recent[r.ID] = r
		u.recentOrder = append(u.recentOrder, r.ID)
	}
	for _, p := range u.Pushes {
		p.stored = true
	}
	s.Users[u.Key] = u
}
