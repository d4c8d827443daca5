package sim

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// env is a number from the environment.
func env(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: want a number", name, s)
	}
	return n
}

func TestSimulate(t *testing.T) {
	n, from := env(t, "WAYBILL_SCHEDULES", 20_000), env(t, "WAYBILL_SEED", 1)
	start := time.Now()
	found, r, played := Sweep(int(n), from, 0)
	if found {
		t.Log(strings.Join(Show(r.Seed, 0).Transcript, "\n"))
		t.Fatalf("seed %d: %s", r.Seed, r.Failure)
	}
	t.Logf("%+v in %v", played, time.Since(start))
}

func TestPlantedFaults(t *testing.T) {
	most := int(env(t, "WAYBILL_FAULT_SCHEDULES", 200_000))
	for _, c := range Clauses() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			found, r, played := Sweep(most, 1, c.Fault)
			if !found {
				t.Fatalf("not found in %d schedules", played.Schedules)
			}
			t.Logf("found after %d schedules: %s", played.Schedules, r.Failure)
		})
	}
}
