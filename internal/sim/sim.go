package sim

// Stats counts what happened in schedules.
type Stats struct {
	Schedules, Records, Commands, Swallowed, Holes, Handled int
	// Reasons counts outcomes, closes and ended routes by schemas.Reason.
	Reasons [256]int
}

// Add takes over the counts of others.
func (s *Stats) Add(o *Stats) {
	s.Schedules += o.Schedules
	s.Records += o.Records
	s.Commands += o.Commands
	s.Swallowed += o.Swallowed
	s.Holes += o.Holes
	s.Handled += o.Handled
	for i, n := range o.Reasons {
		s.Reasons[i] += n
	}
}

// Result of one schedule.
type Result struct {
	Seed       uint64
	Failure    string // what must not be; empty = nothing
	Transcript []string
	Stats      Stats
}

// Run plays the schedule of a seed with some clauses taken away (0 = none).
func Run(seed uint64, off Faults) Result { return play(seed, off, false) }

// Show is Run with a transcript that a person can read.
func Show(seed uint64, off Faults) Result { return play(seed, off, true) }

func play(seed uint64, off Faults, show bool) Result {
	w := newWorld(seed, off, show)
	for n := 100 + w.rnd.IntN(200); n > 0 && w.failure == ""; n-- {
		w.step()
	}
	w.calmDown()
	for _, p := range []phase{quiet, late, lastPush, reconnect} {
		if w.failure == "" {
			w.rest(p)
		}
	}
	w.stats.Schedules, w.stats.Records = 1, len(w.log)
	for _, t := range w.dispatch {
		w.stats.Commands += len(t)
	}
	return Result{Seed: seed, Failure: w.failure, Transcript: w.lines, Stats: w.stats}
}

// Sweep plays n schedules from a seed on and stops at its first find: found
// says whether the result is one. The stats are those of all that were played.
func Sweep(n int, from uint64, off Faults) (found bool, r Result, played Stats) {
	for i := range n {
		r = Run(from+uint64(i), off)
		played.Add(&r.Stats)
		if r.Failure != "" {
			return true, r, played
		}
	}
	return false, Result{}, played
}
