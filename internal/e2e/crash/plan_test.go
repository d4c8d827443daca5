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

// TestPlanOfALongRun: a Span has the faults of its seed, and they are over when
// the next one begins.
func TestPlanOfALongRun(t *testing.T) {
	if n := spanOf(1); n != Span {
		t.Errorf("a run of one push takes %v", n)
	}
	all := plan(2, spanOf(2*Pushes+1))
	if want := len(draw(2)) + len(draw(3)) + len(draw(4)); len(all) != want {
		t.Errorf("%d faults, want %d", len(all), want)
	}
	for _, f := range all {
		if f.At/Span != (f.At+f.For-1)/Span {
			t.Errorf("%v goes on in the next span", f)
		}
	}
}

// TestPushesOfASeed: as many as said, a tenth of them short-lived, each under a
// name of its own, in the order of their time.
func TestPushesOfASeed(t *testing.T) {
	all := drawPushes(1, Pushes)
	names, short, bodies, one := make(map[string]bool), 0, 0, 0
	var has options
	never := 0
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
		if p.TTL == 0 {
			never++
		}
		has.draw(p)
		if p.number != n || n > 0 && p.due < all[n-1].due {
			t.Fatalf("push %d has number %d and is due at %v, after %v", n, p.number, p.due, all[max(0, n-1)].due)
		}
	}
	if len(all) != Pushes || len(names) != Pushes || short < Pushes/12 || short > Pushes/8 {
		t.Errorf("%d pushes with %d names, %d short-lived", len(all), len(names), short)
	}
	if lacks := has.lacks(); never < fewestOf || len(lacks) > 0 {
		t.Errorf("%d are for now or never, %v", never, lacks)
	}
	if away := countAway(all); bodies < Pushes/3 || one < Pushes/40 || away < 40*absent {
		t.Errorf("%d of them have a body that is no JSON, %d are for one device, %d for who is away", bodies, one, away)
	}
}

// draw counts what a push asks for, as if all of it happened.
func (o *options) draw(p push) {
	switch {
	case p.Collapse != "":
		o.collapsed++
	case p.cancels && p.cancel < p.due:
		o.early++
	case p.cancels:
		o.canceled++
	case p.FirstWins:
		o.elsewhere++
	case p.delay > 0:
		o.delayed++
	}
}
