package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func known(t *testing.T) map[string]bool {
	t.Helper()
	parser, err := newParser(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	return knownVariables(parser.Model)
}

func TestUnknownVariables(t *testing.T) {
	known := known(t)
	for pair, want := range map[string]string{
		"WAYBILL_KAKFA=a:1":                        "did you mean WAYBILL_KAFKA?",
		"WAYBILL_GATE_METRIC=a:1":                  "did you mean WAYBILL_GATE_METRICS?",
		"WAYBILL_SPEED_OF_LIGHT=1":                 "known: WAYBILL_ACK_TIMER, ",
		"WAYBILL_KAFKA=a:1":                        "",
		"WAYBILL_WINDOW=8":                         "",
		"WAYBILL_TEST_ANYTHING=1":                  "",
		"PATH=/bin":                                "",
		"WAYBILL_GATE_PORT=tcp://10.0.0.1:7400":    "", // of a container platform, as the next ones
		"WAYBILL_GATE_PORT_7400_TCP_ADDR=10.0.0.1": "",
		"WAYBILL_GATE_SERVICE_HOST=10.0.0.1":       "",
		"WAYBILL_GATE_SERVICE_PORT_DEVICES=7400":   "",
		"WAYBILL_INGEST_PORT=7480":                 "unknown variable WAYBILL_INGEST_PORT",
	} {
		err := checkVariables([]string{"HOME=/", pair}, known)
		if got := text(err); want == "" && err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", pair, got, want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestEveryVariableIsKnown holds the one list against the repository: what
// anything here reads or sets, the binary does not refuse.
func TestEveryVariableIsKnown(t *testing.T) {
	known := known(t)
	name := regexp.MustCompile(`\bWAYBILL_[A-Z_0-9]*[A-Z0-9]\b`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // somebody's temporary file
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", ".waybill", "node_modules"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !d.Type().IsRegular() || strings.HasPrefix(path, "../../cmd/waybill/e") && strings.HasSuffix(path, "_test.go"): // these two make mistakes on purpose
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > 1<<20 {
			return nil //nolint:nilerr // it has gone, or is no text of ours
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // it has gone
		}
		for _, found := range name.FindAllString(string(b), -1) {
			if !known[found] && !ofTests(found) && !ofService(found+"=://") {
				t.Errorf("%s names %s, which the binary refuses: give it a flag, or a place in otherVariables", path, found)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
