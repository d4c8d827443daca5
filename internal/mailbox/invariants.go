package mailbox

import (
	"fmt"
	"maps"
)

// CheckInvariants says what of the state cannot be: for tests and simulation,
// after every step.
func (s *State) CheckInvariants() error {
	for key, u := range s.Users {
		if u.Key != key {
			return fmt.Errorf("user %q stands under key %q", u.Key, key)
		}
		if err := u.check(); err != nil {
			return fmt.Errorf("user %q: %w", key, err)
		}
	}
	return s.checkAbsent()
}

// checkAbsent: nobody is both here and absent, and what is kept is counted.
func (s *State) checkAbsent() error {
	bytes := 0
	for key, a := range s.absents.users {
		switch {
		case a.key != key || s.Users[key] != nil:
			return fmt.Errorf("user %q is absent under key %q, and in memory: %v", a.key, key, s.Users[key] != nil)
		case a.cold == nil && (a.place > 0) != (a.wake > 0):
			return fmt.Errorf("absent user %q has an alarm at %d, and place %d", key, a.wake, a.place)
		case a.cold != nil:
			bytes += a.cold.bytes()
		}
	}
	if bytes != s.absents.bytes {
		return fmt.Errorf("%d bytes are kept for absent users, and %d counted", bytes, s.absents.bytes)
	}
	return nil
}

func (u *User) check() error {
	for i, p := range u.Pushes {
		switch {
		case i > 0 && u.Pushes[i-1].Pos >= p.Pos:
			return fmt.Errorf("push %v is not after %v", p.Pos, u.Pushes[i-1].Pos)
		case len(p.Copies) > len(u.Devices):
			return fmt.Errorf("push %v has a copy for no device", p.Pos)
		case p.Over():
			return fmt.Errorf("push %v is over and still here", p.Pos)
		}
	}
	for i := range u.Devices {
		if err := u.Devices[i].check(); err != nil {
			return fmt.Errorf("device %q: %w", u.Devices[i].Name, err)
		}
		if err := u.checkSwept(i); err != nil {
			return fmt.Errorf("device %q: %w", u.Devices[i].Name, err)
		}
	}
	if err := u.checkIDs(); err != nil {
		return err
	}
	if len(u.Recent) != len(u.recentOrder) {
		return fmt.Errorf("%d push ids, %d in order", len(u.Recent), len(u.recentOrder))
	}
	return u.checkBounds()
}

// checkSwept: what Unswept leaves out waits for nobody.
func (u *User) checkSwept(i int) error {
	for _, p := range u.Pushes[:len(u.Pushes)-len(u.Unswept(i))] {
		if i < len(p.Copies) && p.Copies[i].Open() && !p.Copies[i].Acked {
			return fmt.Errorf("push %v lies before %v and is owed", p.Pos, u.Devices[i].swept)
		}
	}
	return nil
}

// checkIDs: the index says what a look at each push would say.
func (u *User) checkIDs() error {
	if u.ids == nil {
		return nil
	}
	left := maps.Clone(u.ids)
	for _, p := range u.Pushes {
		if p.Never == 0 {
			left[p.ID]--
		}
	}
	for i := range u.Waiting {
		left[u.Waiting[i].Push.ID]--
	}
	for id, n := range left {
		if n != 0 {
			return fmt.Errorf("the index of ids is off by %d for %v", n, id)
		}
	}
	return nil
}

func (d *Device) check() error {
	switch {
	case d.Connected() && !d.Live:
		return fmt.Errorf("a route without a session")
	case d.Connected() && d.ResumeAt == 0:
		return fmt.Errorf("a route without a connected")
	case !d.Connected() && (d.ResumeAt != 0 || d.Received != 0):
		return fmt.Errorf("remains of a route")
	case d.Live == (d.Ended != 0):
		return fmt.Errorf("live %v and ended with %q", d.Live, d.Ended.Word())
	}
	return nil
}

func (u *User) checkBounds() error {
	for _, x := range [...]struct {
		name     string
		n, bound int
	}{
		{"closing", len(u.Closing), maxClosing},
		{"tombstones", len(u.Tombs), maxTombs},
		{"push ids", len(u.Recent), maxRecent},
	} {
		if x.n > x.bound {
			return fmt.Errorf("%d %s, at most %d", x.n, x.name, x.bound)
		}
	}
	return nil
}
