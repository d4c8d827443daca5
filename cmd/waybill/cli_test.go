package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"waybill/internal/app"
)

const key = "abababababababababababababababababababababababababababababababab"

func parse(t *testing.T, args ...string) (cli, error) {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.Name("waybill"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(args)
	return c, err
}

// TestStagesShareAHost: no two stages take the same private port.
func TestStagesShareAHost(t *testing.T) {
	taken := make(map[string]string)
	for stage, metrics := range map[string]func(cli) string{
		"dev":                       func(c cli) string { return c.Dev.Metrics },
		"gate --cluster-key=" + key: func(c cli) string { return c.Gate.Metrics },
		"ingest":                    func(c cli) string { return c.Ingest.Metrics },
		"delivery":                  func(c cli) string { return c.Delivery.Metrics },
		"projector":                 func(c cli) string { return c.Projector.Metrics },
		"console":                   func(c cli) string { return c.Console.Metrics },
	} {
		c, err := parse(t, strings.Fields(stage)...)
		if err != nil {
			t.Errorf("%s: %v", stage, err)
			continue
		}
		address := metrics(c)
		if other, ok := taken[address]; ok || address == "" {
			t.Errorf("%s and %s both listen on %q", stage, other, address)
		}
		taken[address] = stage
	}
}

// TestWrongArguments: what is wrong is said, and what is allowed.
func TestWrongArguments(t *testing.T) {
	for args, want := range map[string]string{
		"gate --cluster-key=short":         "64 hex digits",
		"gate":                             "--cluster-key",
		"ingest --lissten=:1":              "unknown flag --lissten",
		"push --user=anna":                 "--body",
		"push --user=a --body=x --json={}": "can't be used together",
		"projector --only=everything":      "must be one of",
		"frobnicate":                       "unexpected argument frobnicate",
	} {
		_, err := parse(t, strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("waybill %s: %v, want an error that names %q", args, err, want)
		}
	}
}

func TestReadinessSaysWhatIsStarting(t *testing.T) {
	var r readiness
	if err := r.check(); err == nil {
		t.Error("ready before anything has started")
	}
	r.begin([]*app.Running{})
	if err := r.check(); err != nil {
		t.Errorf("all has started: %v", err)
	}
}
