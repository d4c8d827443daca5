package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSearchLogs(t *testing.T) {
	for said, want := range map[string]string{
		"level=INFO msg=ready\n":                        "",
		"level=INFO\npanic: runtime error\n\ngoroutine": "gate-1.log: line 2: panic: runtime error",
		"fatal error: all goroutines are asleep":        "gate-1.log: line 1: fatal error: all goroutines are asleep",
		"==================\nWARNING: DATA RACE\n":      "gate-1.log: line 2: WARNING: DATA RACE",
		"2026/11/25 20:00:00 http: panic serving 127.0.0.1:4711: runtime error: index out of range [3] with length 3\ngoroutine 9 [running]:\n": "gate-1.log: line 1: 2026/11/25 20:00:00 http: panic serving 127.0.0.1:4711: runtime error: index out of range [3] with length 3",
		"level=WARN msg=\"http: panic serving 127.0.0.1:4711: boom\\ngoroutine 9\"\n":                                                           "gate-1.log: line 1: level=WARN msg=\"http: panic serving 127.0.0.1:4711: boom\\ngoroutine 9\"",
		"err=\"http: panic: x\" DATA RACE\n": "gate-1.log: line 1: err=\"http: panic: x\" DATA RACE",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"gate-1.log": said, "gate-2.log": "all is well\n", "other": "panic: of nobody\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Join(searchLogs(dir), "\n"); got != want {
			t.Errorf("%q: found %q, want %q", said, got, want)
		}
	}
	if got := searchLogs(t.TempDir()); len(got) != 1 {
		t.Errorf("in an empty folder: %q, want that there are no logs", got)
	}
}
