package ingest

import (
	"strconv"
	"strings"
)

// Bounds of a call, beyond which it is refused whole. They keep one caller from
// holding the memory of all others.
const (
	MaxCall   = 8 << 20  // bytes of one call's body that is no stream
	MaxLine   = 1 << 20  // bytes of one line of a stream
	MaxUsers  = 1000     // recipients of one push request
	MaxPushes = 20_000   // recipients of one call that is no stream
	MaxBody   = 32 << 10 // bytes of a push's body
	MaxUser   = 256      // bytes of a user's or a device's name
	MaxLabel  = 64       // bytes
	MaxPushID = 128      // bytes of the caller's own push id

	MaxCollapse = 64 // bytes of a collapse key

	// MaxTTL is six days in seconds: the log keeps seven, and what is still to be
	// delivered must be readable there. It bounds deliver_at and ttl together.
	MaxTTL = 6 * 24 * 60 * 60
	// DefaultTTL is one day, in seconds.
	DefaultTTL = 24 * 60 * 60
)

// Violation is what is wrong with one field of a call, said so that the caller
// can mend it. The value itself is never repeated: it may be a secret or large.
type Violation struct {
	Element int    `json:"element"`         // of an array, from 0; -1 where there is none
	Field   string `json:"field,omitempty"` // users[3]; empty = the whole
	Problem string `json:"problem"`         // "is a string", "is negative"
	Allowed string `json:"allowed"`
}

// Error is the sentence for a person.
func (v *Violation) Error() string {
	var b strings.Builder
	if v.Element >= 0 {
		b.WriteString("element ")
		b.WriteString(strconv.Itoa(v.Element))
		b.WriteString(": ")
	}
	if v.Field == "" {
		b.WriteString("the body")
	} else {
		b.WriteString(v.Field)
	}
	return b.String() + " " + v.Problem + "; allowed: " + v.Allowed
}

func violation(field, problem, allowed string) *Violation {
	return &Violation{Element: -1, Field: field, Problem: problem, Allowed: allowed}
}

// notJSON makes a violation of a syntax error.
func notJSON(field string, err error) *Violation {
	return violation(field, "is not JSON: "+err.Error(), "JSON as in RFC 8259")
}

// classOf names what stands next, for messages.
func classOf(c byte) string {
	switch {
	case c == '"':
		return "is a string"
	case c == '{':
		return "is an object"
	case c == '[':
		return "is an array"
	case c == 't', c == 'f':
		return "is a boolean"
	case c == 'n':
		return "is null"
	case c == '-', c >= '0' && c <= '9':
		return "is a number"
	}
	return "has no value"
}
