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
		"err=\"http: panic: x\" DATA RACE\n":            "gate-1.log: line 1: err=\"http: panic: x\" DATA RACE",
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
