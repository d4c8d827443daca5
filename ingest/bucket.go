package ingest

import "time"

const (
	// bucketSize refusals are said at once, and from then on bucketRate a second,
	// of one partition: enough to see what is wrong, and no flood of events from a
	// producer that says nothing right.
	bucketSize = 100
	bucketRate = 10
)

// bucket bounds how often something is done.
type bucket struct {
	tokens float64
	last   time.Time
}

func newBucket() *bucket { return &bucket{tokens: bucketSize} }

// take says whether it may be done now.
func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(bucketSize, b.tokens+bucketRate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
