package load

import (
	"testing"
	"time"
)

func TestLateGivesUp(t *testing.T) {
	l := newLate()
	if !l.record(0, int64(7*time.Millisecond)) {
		t.Error("nobody has given up, and the call is not made")
	}
	l.giveUp.Store(int64(time.Second))
	if l.record(0, int64(time.Second)+1) || l.unsent.Load() != 1 {
		t.Error("a call that nobody waits for any more is made")
	}
	if p := l.p99(); p < 6.9 || p > 7.1 {
		t.Errorf("p99 is %.2f ms, want the 7 of the call that was made", p)
	}
}

func TestReadLag(t *testing.T) {
	l := newReadLag()
	l.round(0, int64(time.Second), 5)
	l.begin()
	l.round(0, int64(2*time.Millisecond), 100)
	l.round(0, int64(9*time.Millisecond), 0) // nobody waited
	own := l.end(1)
	if own.ReadP99 < 1.9 || own.ReadP99 > 2.1 {
		t.Errorf("p99 is %.2f ms, want the 2 of what was recorded since begin", own.ReadP99)
	}
	if own.Waited != 0 {
		t.Errorf("a thread that is none waited %.2f of the time", own.Waited)
	}
}
