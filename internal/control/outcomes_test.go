package control

import (
	"testing"
	"time"
)

// Outcomes are told from the moment at which they were turned on, whatever else
// of the app changes.
func TestOutcomes(t *testing.T) {
	log, ctx := newLog(t)
	v := follow(t, log)
	<-v.Ready()
	began := time.Now().UnixMicro()
	var first int64
	for _, step := range []struct {
		app     string
		changed bool
		told    bool
		later   bool // than the first time
	}{
		{`{"name":"freight"}`, true, false, false},
		{`{"name":"freight","policy":{"outcomes":true}}`, true, true, false},
		{`{"name":"freight","policy":{"outcomes":true}}`, false, true, false},
		{`{"name":"freight","policy":{"outcomes":true,"session_expiry":60}}`, true, true, false},
		{`{"name":"freight","policy":{"session_expiry":60}}`, true, false, false},
		{`{"name":"freight","policy":{"outcomes":false,"session_expiry":60}}`, false, false, false},
		{`{"name":"freight","policy":{"outcomes":true}}`, true, true, true},
	} {
		_, changed := v.Outcomes()
		done, err := apply(t, ctx, log, `{"apps":[`+step.app+`]}`)
		if err != nil || (len(done) == 1) != step.changed {
			t.Fatalf("%s: changed %v, %v; want %v", step.app, done, err, step.changed)
		}
		if step.changed {
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("%s: nothing is said", step.app)
			}
		}
		since, _ := v.Outcomes()
		at := since["freight"]
		if (at > 0) != step.told {
			t.Fatalf("%s: told since %d, want %v", step.app, at, step.told)
		}
		if at > 0 && first == 0 {
			if first = at; first < began {
				t.Errorf("told since %d, before it was asked for at %d", at, began)
			}
		}
		if at > 0 && (at > first) != step.later {
			t.Errorf("%s: told since %d, at first %d", step.app, at, first)
		}
	}
}
