package outcomes

import (
	"sync/atomic"
	"time"

	"waybill/internal/eventlog"
)

// stretch is a piece of a partition that is committed at once, when everything
// that it had to tell is in the log.
type stretch struct {
	began time.Time
	first int64           // offset at which it begins
	wake  chan<- struct{} // one place, of the worker: look again

	open   atomic.Int64 // records without an end, and one while it is read
	failed atomic.Bool  // one of them was refused for good

	// Set when it has been read.
	next  int64
	state state
}

func newStretch(wake chan<- struct{}, first int64) *stretch {
	s := &stretch{began: time.Now(), first: first, wake: wake}
	s.open.Store(1)
	return s
}

// close ends the reading: the stretch goes up to next, with the state as of there.
func (s *stretch) close(next int64, is state) {
	s.next, s.state = next, is.clone()
	s.leave()
}

// done is the appender's callback, for each of its records.
func (s *stretch) done(_ eventlog.Appended, err error) {
	if err != nil {
		s.failed.Store(true)
	}
	s.leave()
}

func (s *stretch) leave() {
	if s.open.Add(-1) == 0 || s.failed.Load() {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// over says that all of it is in the log.
func (s *stretch) over() bool { return s.open.Load() == 0 && !s.failed.Load() }
