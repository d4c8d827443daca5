package ingest

import (
	"math"
	"strconv"
	"time"
)

const (
	allowCollapse  = "1 to 64 bytes of UTF-8 without control characters"
	allowDeliverAt = "a time (RFC 3339) or seconds since 1970, at most six days ahead, ttl included; a time in the past = at once"
	allowFlag      = "true or false"
)

// option takes one value of those fields that few calls have.
func (r *request) option(s *scanner, name string) *Violation {
	switch name {
	case "collapse_key":
		return text(s, name, &r.collapse, MaxCollapse, allowCollapse)
	case "deliver_at":
		return r.readDeliverAt(s)
	case "first_device_wins":
		return flag(s, name, &r.firstWins)
	case "dry_run":
		return flag(s, name, &r.dry)
	default:
		return r.readTrace(s)
	}
}

func flag(s *scanner, field string, to *bool) *Violation {
	if c := s.peek(); c != 't' && c != 'f' {
		return violation(field, classOf(c), allowFlag)
	}
	raw, err := s.raw()
	if err != nil {
		return notJSON(field, err)
	}
	*to = raw == "true"
	return nil
}

// readDeliverAt takes a time in either form. One that has passed is no time:
// the push is due at once.
func (r *request) readDeliverAt(s *scanner) *Violation {
	at, v := timeOf(s)
	if v != nil {
		return v
	}
	switch ahead := at - time.Now().UnixMicro(); {
	case ahead > MaxTTL*1e6:
		return violation("deliver_at", "is too far ahead", allowDeliverAt)
	case ahead > 0:
		r.deliverAt = at
	default:
		r.passed = at
	}
	return nil
}

// timeOf is what deliver_at says, in microseconds since 1970.
func timeOf(s *scanner) (int64, *Violation) {
	if s.peek() == '"' {
		var said string
		if v := stringOf(s, "deliver_at", &said, allowDeliverAt); v != nil {
			return 0, v
		}
		at, err := time.Parse(time.RFC3339, said)
		if err != nil {
			return 0, violation("deliver_at", "is no time of RFC 3339", allowDeliverAt)
		}
		return at.UnixMicro(), nil
	}
	digits, v := numberOf(s, "deliver_at", allowDeliverAt)
	if v != nil {
		return 0, v
	}
	seconds, _ := strconv.ParseFloat(digits, 64) // beyond its range it is infinite
	// Bounded, so that what is absurd is far ahead, or past, and no overflow.
	return int64(math.Round(min(max(seconds, 0), math.MaxUint32*8) * 1e6)), nil
}

// tooLate: ttl counts from deliver_at, and the log must still hold the push
// when it ends.
func (r *request) tooLate() bool {
	return r.deliverAt > 0 && r.deliverAt+r.ttl*1000-time.Now().UnixMicro() > MaxTTL*1e6
}
