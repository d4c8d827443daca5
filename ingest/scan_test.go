package ingest

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// values that are JSON, and texts that are not; the fuzz target begins here.
var (
	goodJSON = []string{
		`{}`, `[]`, `""`, `0`, `-0`, `1.5e-7`, `10E+3`, `true`, `false`, `null`, ` [ 1 , {"a" : [ ] } ] `,
		`"\"\\\/\b\f\n\r\tAé😀"`, `"ü € 😀"`, "\"\x7f\"", `{"a":{"b":[1,2,{"c":null}]}}`,
	}
	badJSON = []string{
		``, ` `, `{`, `[`, `"`, `{"a"}`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1 2]`, `{a:1}`, `'a'`, `01`, `1.`, `.5`, `-`, `1e`, `+1`, `tru`, `nulll`,
		"\"\n\"", "\"\xff\"", `"\x"`, `"\u12"`, `"\u12g4"`, `"\ud800"`, `"\ud800A"`, `"\udc00\ud800"`, `{} {}`, `NaN`, "\x00",
		strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2),
	}
)

func scanAll(text string) error {
	s := &scanner{text: text}
	if err := s.skip(0); err != nil {
		return err
	}
	return s.end()
}

func TestScanner(t *testing.T) {
	for _, text := range goodJSON {
		if err := scanAll(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range badJSON {
		if err := scanAll(text); err == nil {
			t.Errorf("%q was taken for JSON", text)
		}
	}
}

func TestScannerString(t *testing.T) {
	for _, text := range []string{`"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u0041\u00e9\ud83d\ude00 and 😀"`, `"a\\"`} {
		var want string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		s := &scanner{text: text}
		if got, err := s.string(); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}

// What the scanner takes, encoding/json takes too, and the other way round but
// for what the scanner alone refuses: broken Unicode and deep nesting.
func FuzzScanner(f *testing.F) {
	for _, text := range append(append([]string{}, goodJSON...), badJSON...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err, valid := scanAll(text), json.Valid([]byte(text))
		if err == nil && !valid {
			t.Fatalf("%q was taken for JSON", text)
		}
		lenient := !utf8.ValidString(text) || strings.Contains(text, `\u`) || strings.Count(text, "[")+strings.Count(text, "{") > maxDepth
		if err != nil && valid && !lenient {
			t.Fatalf("%q was not taken for JSON: %v", text, err)
		}
		s := &scanner{text: text}
		got, err := s.string()
		if err != nil {
			return
		}
		var want string
		if err := json.Unmarshal([]byte(text[:s.at]), &want); err != nil || got != want {
			t.Fatalf("%q: read %q, want %q (%v)", text[:s.at], got, want, err)
		}
	})
}
