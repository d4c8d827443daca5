package crash

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/program"
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

// TestDefaultSeedsHaveEveryFault: what `make crash` runs by itself leaves out no
// kind of fault.
func TestDefaultSeedsHaveEveryFault(t *testing.T) {
	seeds := regexp.MustCompile(`(?m)^SEEDS +\?= (.+)$`).FindSubmatch(program.Read(t, "Makefile"))
	if seeds == nil {
		t.Fatal("the Makefile has no line SEEDS ?= …")
	}
	missing := map[string]bool{
		"kill -9 broker": true, "stop broker": true, "kill -9 postgres": true, "kill -9 clickhouse": true, "replace gate": true,
	}
	for _, text := range strings.Fields(string(seeds[1])) {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range draw(seed) {
			stage, _, _ := strings.Cut(f.Target, "-")
			delete(missing, string(f.Kind)+" "+stage)
		}
	}
	if len(missing) > 0 {
		t.Errorf("the seeds %s have no %v", seeds[1], slices.Sorted(maps.Keys(missing)))
	}
}

// TestPushesOfASeed: as many as said, a tenth of them short-lived, each under a
// name of its own, in the order of their time.
func TestPushesOfASeed(t *testing.T) {
	all := drawPushes(1)
	names, short, bodies, one := make(map[string]bool), 0, 0, 0
	for n, p := range all {
		names[p.Name] = true
		if p.TTL < 3600 {
			short++
		}
		if p.JSON == nil {
			bodies++
		}
		if p.Device != "" {
			one++
		}
		if p.number != n || n > 0 && p.due < all[n-1].due {
			t.Fatalf("push %d has number %d and is due at %v, after %v", n, p.number, p.due, all[max(0, n-1)].due)
		}
	}
	if len(all) != Pushes || len(names) != Pushes || short < Pushes/12 || short > Pushes/8 {
		t.Errorf("%d pushes with %d names, %d short-lived", len(all), len(names), short)
	}
	if away := countAway(all); bodies < Pushes/3 || one < Pushes/40 || away < 40*absent {
		t.Errorf("%d of them have a body that is no JSON, %d are for one device, %d for who is away", bodies, one, away)
	}
}
