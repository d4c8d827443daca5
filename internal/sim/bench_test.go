package sim

import "testing"

func BenchmarkSchedules(b *testing.B) {
	for seed := uint64(1); b.Loop(); seed++ {
		if r := Run(Schedule{Seed: seed}); r.Failure != "" {
			b.Fatalf("seed %d: %s", seed, r.Failure)
		}
	}
}
