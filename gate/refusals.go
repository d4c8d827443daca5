package gate

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// refusalSlots bounds the memory, and with refusalEvery the rate: at most
	// 4096 refused events in ten seconds, whoever knocks.
	refusalSlots = 4096
	// refusalEvery is how often one user's refusals are worth an event.
	refusalEvery = 10 * time.Second
)

// refusals decides which refused logins become events. Users share slots by
// hash: a collision leaves an event out, never lets one more in.
type refusals struct {
	seed maphash.Seed

	mu   sync.Mutex
	last [refusalSlots]int64 // nanoseconds since 1970
}

// newRefusals draws a seed, so that nobody can choose names that collide.
func newRefusals() *refusals { return &refusals{seed: maphash.MakeSeed()} }

// allow says whether this refusal is the first of its slot for a while.
func (r *refusals) allow(who *identity, now time.Time) bool {
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(who.app)
	h.WriteByte('/')
	h.WriteString(who.user)
	slot := h.Sum64() % refusalSlots

	r.mu.Lock()
	defer r.mu.Unlock()
	if t := now.UnixNano(); t-r.last[slot] >= int64(refusalEvery) {
		r.last[slot] = t
		return true
	}
	return false
}
