package client

import (
	"math/rand/v2"
	"time"
)

// backoff spreads the tries of many devices over time: full jitter, applied
// after the cap, so that those at the cap are spread as well.
type backoff struct {
	base, limit time.Duration
	tries       int // failed ones in a row
}

// next is the wait before the next try, which counts as failed until reset.
func (b *backoff) next() time.Duration {
	d := b.limit
	if b.tries < 32 && b.base<<b.tries < b.limit && b.base<<b.tries > 0 {
		d = b.base << b.tries
	}
	b.tries++
	return upTo(d)
}

func (b *backoff) reset() { b.tries = 0 }

// upTo is a random time from 0 up to d.
func upTo(d time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(d) + 1))
}

// after is a wait that somebody else has named, with jitter of the same size.
func after(d time.Duration) time.Duration { return d + upTo(d) }
