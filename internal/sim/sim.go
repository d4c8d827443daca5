package sim

// Schedule names what is played. The same one gives the same on every machine.
type Schedule struct {
	Seed uint64
	Off  Faults // clauses that are taken away; 0 = none
	// Meets is trouble that the schedule has in any case, beside what its seed
	// draws: a search that is directed.
	Meets trouble
	// Directed takes the place of the random steps.
	Directed func(*world)

	// What Shrink has left of it.
	only   []int   // the steps that are played, in order; nil = all
	spared trouble // that does not happen after all
}

// Result of one schedule.
type Result struct {
	Schedule   Schedule
	Failure    string // what must not be; empty = nothing
	Transcript []string
	Stats      Stats

	rule string // that is broken: failures of one rule differ in numbers only
	last int    // the newest step that was played
}

// Run plays a schedule.
func Run(s Schedule) Result { return play(s, false) }

// Show is Run with a transcript that a person can read.
func Show(s Schedule) Result { return play(s, true) }

// calmTurn and what follows are draws of their own, as each step is: a step
// that is left out changes no other's.
const calmTurn = 1 << 32

func play(s Schedule, show bool) Result {
	w := newWorld(s, show)
	n := 100 + w.rnd.IntN(200)
	last := 0
	if s.Directed != nil {
		s.Directed(w)
		w.check.step()
		n = 0
	}
	for _, i := range s.steps(n) {
		if w.failure != "" {
			break
		}
		w.draw(uint64(i) + 1)
		w.step()
		w.check.step()
		last = i
	}
	w.draw(calmTurn)
	w.calmDown()
	for i, p := range phases {
		if w.failure == "" {
			w.draw(calmTurn + 1 + uint64(i))
			w.rest(p)
		}
	}
	w.stats.Schedules, w.stats.Records = 1, len(w.log)
	for _, t := range w.dispatch {
		w.stats.Commands += len(t)
	}
	return Result{Schedule: s, Failure: w.failure, Transcript: w.lines, Stats: w.stats, rule: w.rule, last: last}
}

// steps that are played of n.
func (s *Schedule) steps(n int) []int {
	if s.only != nil {
		return s.only
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Sweep plays n schedules like s from its seed on and stops at its first find:
// found says whether the result is one. The stats are those of all that were
// played.
func Sweep(n int, s Schedule) (found bool, r Result, played Stats) {
	for range n {
		r = Run(s)
		played.Add(&r.Stats)
		if r.Failure != "" {
			return true, r, played
		}
		s.Seed++
	}
	return false, Result{}, played
}

// Stats counts what happened in schedules.
type Stats struct {
	Schedules, Records, Commands, Swallowed, Holes, Handled, Unreached, Evicted, Returned int
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
	s.Unreached += o.Unreached
	s.Evicted += o.Evicted
	s.Returned += o.Returned
	for i, n := range o.Reasons {
		s.Reasons[i] += n
	}
}
