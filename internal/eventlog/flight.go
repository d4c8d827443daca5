package eventlog

import (
	"sync"
	"time"
)

// flight sends the records of an appender that does not linger in company all
// the same, when that costs nobody time: one that finds nothing on its way goes
// at once; what comes while others are on their way goes together, when those
// have been answered. This is Nagle's rule (RFC 896), with an end: after
// flightMost a record goes whatever happens to the others, so that a partition
// that is away holds up no other.
type flight struct {
	mu       sync.Mutex
	accepted uint64 // records
	ended    uint64 // of them
	target   uint64 // the flight is over when so many have ended
	out      bool
}

// flightMost is the linger of the client beneath: at 5,000 pushes a second an
// answer takes a quarter of it.
const flightMost = time.Millisecond

// accept counts a record that the client has; true: send what it has, now.
func (f *flight) accept() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepted++
	if f.out || f.accepted <= f.ended {
		return false
	}
	f.out, f.target = true, f.accepted
	return true
}

// end counts a record that was answered; true: send what the client has, now.
func (f *flight) end() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
	if !f.out || f.ended < f.target {
		return false
	}
	f.out = f.accepted > f.ended
	f.target = f.accepted
	return f.out
}
