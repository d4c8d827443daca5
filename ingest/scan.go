package ingest

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth of arrays and objects within one another. A value of the
// application is not looked into, only walked over; 100 levels are more than
// people write and cost no stack worth a word.
const maxDepth = 100

// A scanner reads strict JSON (RFC 8259) from one string, left to right, and
// hands out pieces of that string: nothing is copied but strings with escapes.
// encoding/json costs about 3 µs more for each push.
type scanner struct {
	text string
	at   int
}

// syntaxError says where the text stopped being JSON, and what was expected.
type syntaxError struct {
	at   int // byte, from 0
	want string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: want %s", e.at, e.want) }

func (s *scanner) fail(want string) error { return &syntaxError{s.at, want} }

// peek skips white space and tells the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// accept takes c if it comes next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// end demands that nothing is left.
func (s *scanner) end() error {
	s.peek()
	if s.at < len(s.text) {
		return s.fail("the end")
	}
	return nil
}

// object calls field for each name; field must take the value.
func (s *scanner) object(field func(name string) error) error {
	if !s.accept('{') {
		return s.fail("an object")
	}
	if s.accept('}') {
		return nil
	}
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if !s.accept(':') {
			return s.fail("a colon")
		}
		if err := field(name); err != nil {
			return err
		}
		if s.accept('}') {
			return nil
		}
		if !s.accept(',') {
			return s.fail("a comma or }")
		}
	}
}

// array calls element for each one; element must take the value.
func (s *scanner) array(element func(n int) error) error {
	if !s.accept('[') {
		return s.fail("an array")
	}
	if s.accept(']') {
		return nil
	}
	for n := 0; ; n++ {
		if err := element(n); err != nil {
			return err
		}
		if s.accept(']') {
			return nil
		}
		if !s.accept(',') {
			return s.fail("a comma or ]")
		}
	}
}

// string takes a string. Without escapes it is a piece of the text.
func (s *scanner) string() (string, error) {
	if !s.accept('"') {
		return "", s.fail("a string")
	}
	begin, ascii := s.at, true
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			piece := s.text[begin:s.at]
			if !ascii && !utf8.ValidString(piece) {
				s.at = begin
				return "", s.fail("a string in UTF-8")
			}
			s.at++
			return piece, nil
		case c == '\\':
			return s.escaped(begin)
		case c < ' ':
			return "", s.fail("no control characters in a string (escape them)")
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return "", s.fail("the end of the string")
}

// escaped takes the rest of a string from its first escape on.
func (s *scanner) escaped(begin int) (string, error) {
	var b strings.Builder
	b.WriteString(s.text[begin:s.at])
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			if !utf8.ValidString(b.String()) {
				s.at = begin
				return "", s.fail("a string in UTF-8")
			}
			s.at++
			return b.String(), nil
		case c == '\\':
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		case c < ' ':
			return "", s.fail("no control characters in a string (escape them)")
		default:
			b.WriteByte(c)
			s.at++
		}
	}
	return "", s.fail("the end of the string")
}

const (
	escapes  = `"\/bfnrt`
	escapeds = "\"\\/\b\f\n\r\t"
)

// escape takes one escape, of a surrogate pair both halves.
func (s *scanner) escape() (rune, error) {
	s.at++ // the backslash
	if s.at >= len(s.text) {
		return 0, s.fail("the end of the string")
	}
	if s.text[s.at] != 'u' {
		n := strings.IndexByte(escapes, s.text[s.at])
		if n < 0 {
			return 0, s.fail(`one of "\/bfnrtu after a backslash`)
		}
		s.at++
		return rune(escapeds[n]), nil
	}
	r, err := s.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if !strings.HasPrefix(s.text[s.at:], `\u`) {
		return 0, s.fail("the second half of a surrogate pair")
	}
	s.at++
	low, err := s.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, s.fail("a surrogate pair")
	}
	return r, nil
}

// hex4 takes u and four hex digits.
func (s *scanner) hex4() (rune, error) {
	s.at++
	if len(s.text)-s.at < 4 {
		return 0, s.fail("four hex digits")
	}
	var r rune
	for range 4 {
		c := s.text[s.at]
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.fail("four hex digits")
		}
		s.at++
	}
	return r, nil
}

// number takes a number as it is written.
func (s *scanner) number() (string, error) {
	s.peek()
	begin := s.at
	s.one("-")
	if !s.one("0") && !s.digits() {
		return "", s.fail("a number")
	}
	if s.one(".") && !s.digits() {
		return "", s.fail("digits after the point")
	}
	if s.one("eE") {
		s.one("+-")
		if !s.digits() {
			return "", s.fail("digits of the exponent")
		}
	}
	return s.text[begin:s.at], nil
}

// one takes one byte of the set, without white space before it.
func (s *scanner) one(set string) bool {
	if s.at < len(s.text) && strings.IndexByte(set, s.text[s.at]) >= 0 {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	begin := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > begin
}

// raw takes any value and gives its bytes as they stand.
func (s *scanner) raw() (string, error) {
	s.peek()
	begin := s.at
	if err := s.skip(0); err != nil {
		return "", err
	}
	return s.text[begin:s.at], nil
}

// skip takes any value, depth levels down.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.fail(fmt.Sprintf("at most %d arrays or objects within one another", maxDepth))
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(func(string) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func(int) error { return s.skip(depth + 1) })
	case c == '"':
		_, err := s.string()
		return err
	case c == '-' || c >= '0' && c <= '9':
		_, err := s.number()
		return err
	default:
		return s.literal()
	}
}

// literal takes true, false or null.
func (s *scanner) literal() error {
	for _, word := range []string{"true", "false", "null"} {
		if strings.HasPrefix(s.text[s.at:], word) {
			s.at += len(word)
			return nil
		}
	}
	return s.fail("a value")
}
