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
	// Replace stops a gate as Pause does and starts another one of its number
	// meanwhile: the one that is woken must see that and end.
	Replace Kind = "replace"
)

// Targets that are no stage.
const (
	leader     = "broker" // the one that leads Fault.Partition at that time
	postgresDB = "postgres"
	clickhouse = "clickhouse"
)

// Fault is one thing that happens to one process.
type Fault struct {
	At        time.Duration // since the first push
	Kind      Kind
	Target    string
	Partition int32         // of waybill.events: whose leader
	For       time.Duration // until it is started again, or woken
}

func (f Fault) String() string {
	return fmt.Sprintf("%5.1f s  %-7s %-11s for %.1f s", f.At.Seconds(), f.Kind, f.Target, f.For.Seconds())
}

// Span is how long a run takes for so many Pushes, and the time in which the
// faults of a plan begin and end.
const Span = 60 * time.Second

// spanOf is how long a run of n pushes pushes: whole Spans.
func spanOf(n int) time.Duration { return Span * time.Duration((n+Pushes-1)/Pushes) }

// plan of a run that takes so long: a Span is that of the seed, the next one that
// of the next seed, and so on.
func plan(seed uint64, span time.Duration) (all []Fault) {
	for n := time.Duration(0); n < span/Span; n++ {
		for _, f := range draw(seed + uint64(n)) {
			f.At += n * Span
			all = append(all, f)
		}
	}
	return all
}

// pauseFor is how long a process is stopped: ten leases of a gate, so that its
// routes end, and several sessions of delivery's group.
const pauseFor = 30 * time.Second

// stages as processes; of those whose names differ in the number two run.
var stages = []string{
	"gate-1", "gate-2", "delivery-1", "delivery-2", "ingest-1", "ingest-2", "projector-1", "projector-2", "console-1",
}

// planner draws the faults of a seed.
type planner struct {
	rng *rand.Rand
	all []Fault
}

// draw makes the plan of a seed. Every seed: one gate and one delivery worker
// are stopped, every process is killed once and three of them once more, a
// broker that leads is killed, and there are shorter stops: just long enough for
// a lease to lapse, or for the group to go on without a worker that then wakes
// in the middle of what it was doing. Every third seed replaces the gate that it
// stops; every second one kills Postgres, every other pair ClickHouse; every
// fifth stops a broker that leads.
func draw(seed uint64) []Fault {
	p := &planner{rng: rand.New(rand.NewPCG(seed, 1))}
	kind := Pause
	if seed%3 == 0 {
		kind = Replace
	}
	early := func() time.Duration { return p.between(3*time.Second, 20*time.Second) }
	p.all = append(p.all,
		Fault{At: early(), Kind: kind, Target: fmt.Sprintf("gate-%d", 1+p.rng.IntN(2)), For: pauseFor},
		Fault{At: early(), Kind: Pause, Target: fmt.Sprintf("delivery-%d", 1+p.rng.IntN(2)), For: pauseFor})
	for _, name := range stages {
		p.add(Fault{Kind: Kill, Target: name, For: p.between(time.Second, 6*time.Second)})
	}
	for range 3 {
		p.add(Fault{Kind: Kill, Target: stages[p.rng.IntN(len(stages))], For: p.between(time.Second, 6*time.Second)})
	}
	for range 2 {
		p.add(Fault{Kind: Pause, Target: fmt.Sprintf("delivery-%d", 1+p.rng.IntN(2)), For: p.between(6*time.Second, 10*time.Second)})
		p.add(Fault{Kind: Pause, Target: fmt.Sprintf("gate-%d", 1+p.rng.IntN(2)), For: p.between(2*time.Second, 6*time.Second)})
	}
	p.engines(seed)
	slices.SortStableFunc(p.all, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	return p.all
}

func (p *planner) engines(seed uint64) {
	p.add(Fault{Kind: Kill, Target: leader, Partition: p.rng.Int32N(partitions), For: p.between(3*time.Second, 12*time.Second)})
	if seed%2 == 0 {
		p.add(Fault{Kind: Kill, Target: postgresDB, For: p.between(time.Second, 8*time.Second)})
	}
	if seed%4 >= 2 {
		p.add(Fault{Kind: Kill, Target: clickhouse, For: p.between(time.Second, 8*time.Second)})
	}
	if seed%5 == 0 {
		p.add(Fault{Kind: Pause, Target: leader, Partition: p.rng.Int32N(partitions), For: p.between(2*time.Second, 10*time.Second)})
	}
}

func (p *planner) between(from, to time.Duration) time.Duration {
	return from + time.Duration(p.rng.Int64N(int64(to-from)))
}

// add a fault at a time at which nothing else happens to its process, if there
// is one: nobody starts what is stopped, nor stops what is down.
func (p *planner) add(f Fault) {
	for range 1000 {
		f.At = p.between(2*time.Second, Span-f.For)
		if !slices.ContainsFunc(p.all, f.meets) {
			p.all = append(p.all, f)
			return
		}
	}
}

// slack is how long a process may take to come back after its fault, a broker
// the longest: two of them away at once are an outage of the log.
func (f Fault) slack() time.Duration {
	if f.Target == leader {
		return 10 * time.Second
	}
	return time.Second
}

func (f Fault) meets(x Fault) bool {
	return x.Target == f.Target && f.At <= x.At+x.For+x.slack() && x.At <= f.At+f.For+f.slack()
}
