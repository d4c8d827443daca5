package delivery

import "time"

// brokerClock estimates the broker's clock from the append times that are read:
// a record is read after it was appended, so append time minus local time is
// never above the true difference, and the largest seen is the best guess. The
// guess is renewed every minute, since clocks drift.
type brokerClock struct {
	start          time.Time
	current, older int64 // differences in microseconds
	known          bool
	renewed        time.Duration
}

const renewal = time.Minute

// observe takes the broker's append time of a record that was read just now.
func (c *brokerClock) observe(at int64) {
	if c.start.IsZero() {
		c.start = time.Now()
	}
	local := time.Since(c.start)
	diff := at - local.Microseconds()
	switch {
	case !c.known:
		c.current, c.older, c.known = diff, diff, true
	case local-c.renewed > renewal:
		c.older, c.current, c.renewed = c.current, diff, local
	case diff > c.current:
		c.current = diff
	}
}

// now is the broker's time, as far as it is known; 0 before the first record.
// It is never ahead of the broker by more than the drift of two minutes.
func (c *brokerClock) now() int64 {
	if !c.known {
		return 0
	}
	return time.Since(c.start).Microseconds() + max(c.current, c.older)
}
