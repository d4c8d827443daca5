package crash

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/internal/e2e/readmodels"
	"waybill/schemas"
)

// Result is what a run found.
type Result struct {
	Seed       uint64
	Began      time.Time
	Faults     []Fault // that happened, in the order of their time
	Violations []violation
	Pushing    time.Duration // until all were accepted and all faults over
	Settling   time.Duration // from then on until the last outcome
	Alone      []string      // processes that ended without being asked to
	Transcript string        // file of the first violation; empty = there is none

	mu sync.Mutex // of Violations and Faults, while faults happen

	accepted, refused, doubtful, unanswered, retried int64

	pushed, stale                      int
	records, twice                     int                 // in the log, and repeats among them
	linePairs, callPairs               int                 // whose order was compared
	standing                           readmodels.Standing // of Postgres when it was dropped
	outcomes                           ledger.Tally
	handed, handedEach, flagged, homes int
	cuts, mutes, phones, restarts      int
	did                                options // what the callers had asked for
}

func (r *Result) wrong(what, say string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Violations = append(r.Violations, violation{what: what, say: fmt.Sprintf(say, args...)})
}

// happened notes a fault that met somebody.
func (r *Result) happened(f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Faults = append(r.Faults, f)
	slices.SortStableFunc(r.Faults, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
}

// some violations: the first ones of each kind, which stand for the rest.
func (r *Result) some(most int) []violation {
	shown := make(map[string]int)
	return slices.DeleteFunc(slices.Clone(r.Violations), func(v violation) bool {
		shown[v.what]++
		return shown[v.what] > most
	})
}

// kinds of the violations, and how many there are of each.
func (r *Result) kinds() string {
	n := make(map[string]int)
	for _, v := range r.Violations {
		n[v.what]++
	}
	var all []string
	for _, what := range slices.Sorted(maps.Keys(n)) {
		all = append(all, fmt.Sprintf("%s %d", what, n[what]))
	}
	return strings.Join(all, ", ")
}

// compare the books that were kept through all faults with what the log says
// afterwards: a reader sees every record once.
func (r *Result) compare(kept, l *ledger.Ledger) {
	if len(kept.Order) != len(l.Order) || kept.Unended != l.Unended {
		r.wrong("the books", "have %d pushes, %d without an outcome; read again the log has %d and %d",
			len(kept.Order), kept.Unended, len(l.Order), l.Unended)
	}
	for at, x := range l.Pushes {
		if k := kept.Pushes[at]; k == nil || len(k.Whole) != len(x.Whole) {
			r.wrong("the books", "say of push %v of %s: %+v; read again the log says %+v", schemas.Position(at.Position), at.User, k, x)
		}
	}
}

// finish counts, whatever came of the run, and keeps what explains a violation.
func (r *run) finish(ctx context.Context, err error) {
	x := r.result
	x.Alone, x.phones = r.site.endedAlone(), len(r.all())
	if r.office != nil {
		o := r.office
		x.accepted, x.refused, x.doubtful = o.accepted.Load(), o.refused.Load(), o.doubtful.Load()
		x.unanswered, x.retried = o.unanswered.Load(), o.retried.Load()
	}
	if err == nil {
		x.checkCalls()
	}
	r.books.Look(x.count)
	handed := make(map[ledger.Place]bool)
	for _, p := range r.all() {
		x.phone(p, handed)
	}
	x.handed = len(handed)
	for _, say := range x.Alone {
		x.wrong("ended alone", "%s", say)
	}
	if err != nil {
		x.wrong("the run", "did not come to its end: %v", err)
	}
	if len(x.Violations) > 0 {
		x.Transcript = r.keepEvidence(ctx)
	}
}

// checkCalls: whatever was not accepted was said again, push by push.
func (r *Result) checkCalls() {
	if r.retried != r.refused+r.doubtful+r.unanswered {
		r.wrong("the calls", "said %d pushes again, of which %d were refused, %d in doubt and %d without an answer", r.retried, r.refused, r.doubtful, r.unanswered)
	}
}

func (r *Result) count(l *ledger.Ledger) {
	r.pushed, r.stale, r.outcomes = len(l.Order), l.Stale, l.Tally()
}

func (r *Result) phone(p *phone, handed map[ledger.Place]bool) {
	for _, n := range p.got() {
		handed[ledger.Place{User: p.User, Position: n.Position}] = true
		r.handedEach++
		if n.Again {
			r.flagged++
		}
	}
	r.homes += p.Homes()
	r.restarts += p.restarts
	cuts, mutes := p.Count()
	r.cuts += cuts
	r.mutes += mutes
}
