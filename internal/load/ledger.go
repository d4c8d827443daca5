package load

import (
	"errors"
	"fmt"
	"sync/atomic"
)

// ledger says of each message of one run what became of it.
type ledger struct {
	run  uint64
	next atomic.Uint64 // index of the next message

	accepted atomic.Uint64 // answered with accepted
	refused  atomic.Uint64 // surely not taken
	unknown  atomic.Uint64 // answered with unknown, or not at all
	received atomic.Uint64 // different ones that arrived

	// Owned by the poller.
	seen  []uint64 // a bit for each index
	twice uint64   // handed over again, after dedupe
}

// take notes an arrival; false if it has been here before.
func (l *ledger) take(index uint64) bool {
	word, bit := index/64, uint64(1)<<(index%64)
	for uint64(len(l.seen)) <= word {
		l.seen = append(l.seen, make([]uint64, 1024)...)
	}
	if l.seen[word]&bit != 0 {
		l.twice++
		return false
	}
	l.seen[word] |= bit
	l.received.Add(1)
	return true
}

// here says that everything accepted has arrived. What was answered with
// unknown may arrive or not.
func (l *ledger) here() bool { return l.received.Load() >= l.accepted.Load() }

// check is for the end of a run, when nothing moves any more.
func (l *ledger) check() error {
	accepted, received, unknown := l.accepted.Load(), l.received.Load(), l.unknown.Load()
	var errs []error
	if received < accepted {
		errs = append(errs, fmt.Errorf("%d of %d accepted pushes did not arrive", accepted-received, accepted))
	}
	if received > accepted+unknown {
		errs = append(errs, fmt.Errorf("%d pushes arrived that were not accepted", received-accepted-unknown))
	}
	if l.twice > 0 {
		errs = append(errs, fmt.Errorf("%d pushes were handed over twice", l.twice))
	}
	return errors.Join(errs...)
}
