package crash

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind of a fault.
type Kind string

// What happens to a process; each ends after its Fault's For.
const (
	Kill  Kind = "kill -9" // and started again
	Pause Kind = "stop"    // SIGSTOP, then SIGCONT
)

// Fault is one thing that happens to one process.
type Fault struct {
	At     time.Duration // since the first push
	Kind   Kind
	Target string
	For    time.Duration // until it is started again, or woken
}

func (f Fault) String() string {
	return fmt.Sprintf("%5.1f s  %-7s %-11s for %.1f s", f.At.Seconds(), f.Kind, f.Target, f.For.Seconds())
}

// Span is how long a run pushes, and the time in which faults begin.
const Span = 60 * time.Second

// pauseFor is how long a process is stopped: ten leases of a gate, so that its
// routes end, and several sessions of delivery's group.
const pauseFor = 30 * time.Second

// draw makes the plan of a seed: each process is killed once, one gate and one
// delivery worker are stopped as well, one broker is killed; every second seed
// kills Postgres, every other pair of them ClickHouse.
//
// Topics have more partitions than there are brokers, and copies on all of
// them, so whichever broker is killed leads some.
func draw(seed uint64) []Fault {
	rng := rand.New(rand.NewPCG(seed, 1))
	between := func(from, to time.Duration) time.Duration { return from + time.Duration(rng.Int64N(int64(to-from))) }
	var all []Fault
	for _, stage := range []string{"gate", "delivery"} {
		all = append(all, Fault{between(3*time.Second, 20*time.Second), Pause, fmt.Sprintf("%s-%d", stage, 1+rng.IntN(2)), pauseFor})
	}
	for _, name := range []string{
		"gate-1", "gate-2", "delivery-1", "delivery-2", "ingest-1", "ingest-2", "projector-1", "projector-2", "console-1",
	} {
		f := Fault{Kind: Kill, Target: name, For: between(time.Second, 6*time.Second)}
		for f.At == 0 || meets(f, all) {
			f.At = between(2*time.Second, Span-f.For)
		}
		all = append(all, f)
	}
	all = append(all, Fault{between(5*time.Second, 45*time.Second), Kill, fmt.Sprintf("broker-%d", 1+rng.IntN(3)), between(3*time.Second, 12*time.Second)})
	if seed%2 == 0 {
		all = append(all, Fault{between(5*time.Second, 45*time.Second), Kill, "postgres", between(time.Second, 8*time.Second)})
	}
	if seed%4 >= 2 {
		all = append(all, Fault{between(5*time.Second, 45*time.Second), Kill, "clickhouse", between(time.Second, 8*time.Second)})
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return all
}

// meets says that something else happens to the process at that time: nobody
// starts what is stopped, nor stops what is down.
func meets(f Fault, all []Fault) bool {
	return slices.ContainsFunc(all, func(x Fault) bool {
		return x.Target == f.Target && f.At <= x.At+x.For && x.At <= f.At+f.For
	})
}
