package eventlog

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// Standing says whether a member of a group does its work: it has joined, and
// every partition that it was given is at work, be it none. Its zero value is
// handed to Join; its methods are for any goroutine.
type Standing struct{ group atomic.Pointer[group] }

// ErrNotJoined says that the group has not told yet which partitions this member
// has, or went on without it.
var ErrNotJoined = errors.New("has not joined its group")

// Err is nil while the member does its work, else what it is about.
func (s *Standing) Err() error {
	g := s.group.Load()
	if g == nil {
		return ErrNotJoined
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.joined {
		return ErrNotJoined
	}
	has, working := 0, 0
	for _, t := range g.tenures {
		if t.over.Load() {
			continue
		}
		has++
		if t.working.Load() {
			working++
		}
	}
	if working < has {
		return fmt.Errorf("is loading: %d of its %d partitions are at work", working, has)
	}
	return nil
}

// Working tells the group's Standing whether the function has loaded what it
// needs and does its work. It begins as false with each call of the function.
// For any goroutine.
func (p *Partition) Working(yes bool) {
	if p.tenure != nil {
		p.tenure.working.Store(yes)
	}
}

// answered notes that the group has told this member its partitions, or that it
// lost them.
func (g *group) answered(joined bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.joined = joined
}
