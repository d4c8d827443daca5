package ingest

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"

	"waybill/schemas"
)

// stringOf takes a string of any content.
func stringOf(s *scanner, field string, to *string, allowed string) *Violation {
	if c := s.peek(); c != '"' {
		return violation(field, classOf(c), allowed)
	}
	var err error
	if *to, err = s.string(); err != nil {
		return notJSON(field, err)
	}
	return nil
}

// text takes a string that is not empty, not too long, and fit for a page and
// for a database: no control characters.
func text(s *scanner, field string, to *string, most int, allowed string) *Violation {
	if v := stringOf(s, field, to, allowed); v != nil {
		return v
	}
	if *to == "" {
		return violation(field, "is empty", allowed)
	}
	if len(*to) > most {
		return violation(field, "is too long", allowed)
	}
	for i := 0; i < len(*to); i++ {
		if c := (*to)[i]; c < ' ' || c == 0x7f {
			return violation(field, "has control characters", allowed)
		}
	}
	return nil
}

// number16 takes a whole number from least to 65535.
func number16(s *scanner, field string, to *uint32, least uint64, allowed string) *Violation {
	digits, v := numberOf(s, field, allowed)
	if v != nil {
		return v
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax) && digits[0] == '-':
		return violation(field, "is negative", allowed)
	case errors.Is(err, strconv.ErrSyntax):
		return violation(field, "is not whole", allowed)
	case err != nil || n > math.MaxUint16:
		return violation(field, "is too large", allowed)
	case n < least:
		return violation(field, "is "+strconv.FormatUint(n, 10), allowed)
	}
	*to = uint32(n)
	return nil
}

func numberOf(s *scanner, field, allowed string) (string, *Violation) {
	if c := s.peek(); c != '-' && (c < '0' || c > '9') {
		return "", violation(field, classOf(c), allowed)
	}
	digits, err := s.number()
	if err != nil {
		return "", notJSON(field, err)
	}
	return digits, nil
}

// quoted makes an unknown field's name fit for a message: short and printable.
func quoted(name string) string {
	const most = 40
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.QuoteToGraphic(name)
}

// trace is where a push request comes from: a W3C trace id and parent span.
type trace struct {
	id     schemas.ID
	parent [8]byte // zero = none
}

// parentSpan is what stands in the event: eight bytes or none.
func (t *trace) parentSpan() []byte {
	if t.parent == ([8]byte{}) {
		return nil
	}
	return t.parent[:]
}

// parseTraceparent reads a W3C traceparent of version 00, and of later ones what
// they have in common with it.
func parseTraceparent(header string) (trace, bool) {
	const length = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	var t trace
	if len(header) < length || header[2] != '-' || header[35] != '-' || header[52] != '-' {
		return t, false
	}
	var version, flags [1]byte
	if !lowerHex(version[:], header[:2]) || !lowerHex(t.id[:], header[3:35]) ||
		!lowerHex(t.parent[:], header[36:52]) || !lowerHex(flags[:], header[53:55]) {
		return trace{}, false
	}
	if version[0] == 0xff || version[0] == 0 && len(header) != length || len(header) > length && header[length] != '-' {
		return trace{}, false
	}
	return t, !t.id.IsZero() && t.parent != [8]byte{}
}

// lowerHex decodes hex digits, of which the standard wants the lower-case ones.
func lowerHex(dst []byte, digits string) bool {
	for i := range len(digits) {
		if c := digits[i]; c >= 'A' && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, []byte(digits))
	return err == nil
}
