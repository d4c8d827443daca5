package snapshot

import (
	"strings"
	"unicode/utf8"
)

// Postgres holds neither NUL nor broken UTF-8 as text. Names come from outside,
// and no record of the log may keep its partition from being stored: such
// bytes, and the backslash, are written as \xNN. Everything else, so nearly
// everything, is stored as it is.

const hexDigits = "0123456789abcdef"

// text is s as Postgres takes it.
func text(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == 0 || r == '\\' || r == utf8.RuneError && n == 1 {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// plain: almost always, and found out without a look at the runes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c == 0 || c == '\\' || c >= utf8.RuneSelf {
			return c >= utf8.RuneSelf && utf8.ValidString(s) && !strings.ContainsAny(s, "\x00\\")
		}
	}
	return true
}

// untext is the reverse of text.
func untext(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			b = append(b, nibble(s[i+2])<<4|nibble(s[i+3]))
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// nibble is the value of a hex digit that text has written.
func nibble(c byte) byte { return byte(strings.IndexByte(hexDigits, c)) }
