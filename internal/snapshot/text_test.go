package snapshot_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"waybill/internal/snapshot"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":             "",
		"driver-17":    "driver-17",
		"ünal":         "ünal",
		"a\x00b":       `a\x00b`,
		`a\b`:          `a\x5cb`,
		`\x00`:         `\x5cx00`,
		"broken\xffü":  `broken\xffü`,
		"\uFFFD stays": "\uFFFD stays",
	} {
		if got := snapshot.Text(in); got != want {
			t.Errorf("text(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "plain", "ü\x00\\\xff", `\x5c`, `\`, "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		stored := snapshot.Text(s)
		if !utf8.ValidString(stored) || strings.ContainsRune(stored, 0) {
			t.Errorf("text(%q) = %q, which Postgres refuses", s, stored)
		}
		if got := snapshot.Untext(stored); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	})
}
