package crash

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEverySeedBreaksEverything holds the plan against what a run is to show.
func TestEverySeedBreaksEverything(t *testing.T) {
	for seed := range uint64(200) {
		plan := draw(seed)
		if d := cmp.Diff(plan, draw(seed)); d != "" {
			t.Fatalf("seed %d: two plans:\n%s", seed, d)
		}
		killed, paused := make(map[string]bool), make(map[string]bool)
		for n, f := range plan {
			if f.At < 0 || f.At+f.For > Span || f.For <= 0 {
				t.Errorf("seed %d: %v is not within the run", seed, f)
			}
			if slices.ContainsFunc(plan[n+1:], f.meets) {
				t.Errorf("seed %d: something else happens to the same process during %v", seed, f)
			}
			if f.Kind == Kill {
				killed[f.Target] = true
			} else if f.For == pauseFor {
				paused[f.Target[:4]] = true
			}
		}
		for _, name := range append(slices.Clone(stages), leader) {
			if !killed[name] {
				t.Errorf("seed %d: %s is never killed", seed, name)
			}
		}
		if !paused["gate"] || !paused["deli"] {
			t.Errorf("seed %d stops %v, want a gate and a delivery worker", seed, paused)
		}
	}
}

// TestPushesOfASeed: as many as said, a tenth of them short-lived, each under a
// name of its own, in the order of their time.
func TestPushesOfASeed(t *testing.T) {
	all := drawPushes(1)
	names, short := make(map[string]bool), 0
	for n, p := range all {
		names[p.Name] = true
		if p.TTL < 3600 {
			short++
		}
		if p.Number != n || n > 0 && p.due < all[n-1].due {
			t.Fatalf("push %d has number %d and is due at %v, after %v", n, p.Number, p.due, all[max(0, n-1)].due)
		}
	}
	if len(all) != Pushes || len(names) != Pushes || short < Pushes/12 || short > Pushes/8 {
		t.Errorf("%d pushes with %d names, %d short-lived", len(all), len(names), short)
	}
}
