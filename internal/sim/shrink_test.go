package sim

import (
	"strings"
	"testing"
)

// TestShrink: what is left of a schedule that fails breaks the same rule, needs
// each of its steps, and is short enough to be read.
func TestShrink(t *testing.T) {
	for _, c := range Clauses() {
		switch c.Fault {
		case HoldBack, CommitAfterWork, CursorStored, SnapshotFirst:
		default:
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			found, r, _ := Sweep(1000, Schedule{Seed: 1, Off: c.Fault, Meets: c.Meets})
			if !found {
				t.Fatal("nothing to shrink")
			}
			small := Shrink(r.Schedule)
			if small.rule != r.rule {
				t.Fatalf("%q became %q", r.Failure, small.Failure)
			}
			if n := len(small.Schedule.only); n > 40 {
				t.Errorf("%d steps are left", n)
			}
			if k := (shrinker{rule: r.rule, small: small.Schedule}); k.leaveOut(1) {
				t.Errorf("a step is left that is not needed: %v", small.Schedule.only)
			}
			if end := small.Transcript; !strings.Contains(strings.Join(end, "\n"), "*** "+small.Failure) {
				t.Errorf("the transcript does not say what failed:\n%s", strings.Join(end, "\n"))
			}
		})
	}
}

func TestShrinkLeavesAloneWhatDoesNotFail(t *testing.T) {
	if r := Shrink(Schedule{Seed: 1}); r.Failure != "" || r.Schedule.only != nil {
		t.Fatalf("%q, %v", r.Failure, r.Schedule.only)
	}
}
