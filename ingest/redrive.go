package ingest

import (
	"math"
	"strconv"

	"waybill/schemas"
)

// MaxRedrives is how many pushes one call says again: each is read from the log.
const MaxRedrives = 100

const (
	redriveFields = "user, push_position, ttl"
	allowPosition = "the push_position of an outcome or of a dead letter: a whole number from 1"
	wholeRedrive  = "a redrive, as a JSON object"
)

// redrive asks for a push that has died to be pushed again, as it stands in the
// log.
type redrive struct {
	at   schemas.Position // of the pushed
	asks request          // its users and ttl only
	seen map[string]bool

	again *request // what is pushed, once it has been found
	fails *failing // else why not
}

// failing is why a push is not said again.
type failing struct {
	code   int // of HTTP
	reason schemas.Reason
	failure
}

// parseRedrives reads a call that is one redrive or an array of them, and says
// which.
func parseRedrives(text string) (all []redrive, array bool, bad *Violation) {
	s := &scanner{text: text}
	if s.peek() != '[' {
		all = make([]redrive, 1)
		if bad = all[0].parse(s); bad == nil {
			bad = ended(s)
		}
		return all, false, bad
	}
	err := s.array(func(n int) error {
		all = append(all, redrive{})
		if bad = all[n].parse(s); bad == nil && n >= MaxRedrives {
			bad = violation("", "is one too many", strconv.Itoa(MaxRedrives)+" redrives in one call")
		}
		if bad != nil {
			bad.Element = n
			return errStop
		}
		return nil
	})
	switch {
	case bad != nil:
	case err != nil:
		bad = notJSON("", err)
	case len(all) == 0:
		bad = violation("", "is an empty array", "1 element or more")
	default:
		bad = ended(s)
	}
	return all, true, bad
}

// ended demands that nothing is left.
func ended(s *scanner) *Violation {
	if err := s.end(); err != nil {
		return notJSON("", err)
	}
	return nil
}

// parse takes one object and checks it.
func (x *redrive) parse(s *scanner) *Violation {
	if c := s.peek(); c != '{' {
		if s.at >= len(s.text) {
			return violation("", "is empty", wholeRedrive)
		}
		return violation("", classOf(c), wholeRedrive)
	}
	x.seen = make(map[string]bool)
	var bad *Violation
	err := s.object(func(name string) error {
		if bad = x.field(s, name); bad != nil {
			return errStop
		}
		return nil
	})
	switch {
	case bad != nil:
		return bad
	case err != nil:
		return notJSON("", err)
	case !x.seen["user"]:
		return violation("user", "is missing", allowUser)
	case !x.seen["push_position"]:
		return violation("push_position", "is missing", allowPosition)
	}
	return nil
}

// field takes one value.
func (x *redrive) field(s *scanner, name string) *Violation {
	if x.seen[name] {
		return violation(quoted(name), "stands twice", "each field once")
	}
	x.seen[name] = true
	switch name {
	case "user":
		return x.asks.readUser(s)
	case "push_position":
		return x.readPosition(s)
	case "ttl":
		return x.asks.readTTL(s)
	}
	return violation(quoted(name), "is unknown", redriveFields)
}

func (x *redrive) readPosition(s *scanner) *Violation {
	digits, v := numberOf(s, "push_position", allowPosition)
	if v != nil {
		return v
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return violation("push_position", "is no position", allowPosition)
	}
	x.at = schemas.Position(n)
	return nil
}
