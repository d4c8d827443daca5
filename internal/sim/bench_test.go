package sim

import "testing"

func BenchmarkSchedules(b *testing.B) {
	for seed := uint64(1); b.Loop(); seed++ {
		if r := Run(seed, 0); r.Failure != "" {
			b.Fatalf("seed %d: %s", r.Seed, r.Failure)
		}
	}
}
