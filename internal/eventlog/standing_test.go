package eventlog

import (
	"errors"
	"testing"
)

// TestStanding: a member stands well when the group has answered and all that
// it has is at work.
func TestStanding(t *testing.T) {
	var s Standing
	if err := s.Err(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("before Join: %v", err)
	}
	g := &group{tenures: make(map[place]*tenure)}
	s.group.Store(g)
	if err := s.Err(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("before the group's answer: %v", err)
	}
	g.answered(true)
	if err := s.Err(); err != nil {
		t.Errorf("without partitions: %v", err)
	}
	kept, taken := &tenure{g: g}, &tenure{g: g}
	g.tenures[place{EventsTopic, 0}], g.tenures[place{EventsTopic, 1}] = kept, taken
	(&Partition{tenure: kept}).Working(true)
	if err := s.Err(); err == nil || err.Error() != "is loading: 1 of its 2 partitions are at work" {
		t.Errorf("while it loads: %v", err)
	}
	taken.over.Store(true)
	if err := s.Err(); err != nil {
		t.Errorf("after one was taken away: %v", err)
	}
	(&Partition{}).Working(true) // assigned by hand: nobody asks
	g.answered(false)
	if err := s.Err(); !errors.Is(err, ErrNotJoined) {
		t.Errorf("after the group went on without it: %v", err)
	}
}
