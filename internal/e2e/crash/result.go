package crash

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// Result is what a run found.
type Result struct {
	Seed       uint64
	Began      time.Time
	Faults     []Fault
	Violations []violation
	Pushing    time.Duration // until all were accepted and all faults over
	Settling   time.Duration // from then on until the last outcome
	Alone      []string      // processes that ended without being asked to
	Transcript string        // file of the first violation; empty = there is none

	accepted, refused, doubtful, unreachable, retried int64

	pushed, stale                      int
	classes                            map[schemas.Class]int
	why                                map[schemas.Class]map[schemas.Reason]int
	devices                            int
	attempts                           uint32
	again                              int // needed more than one connection
	handed, handedEach, flagged, homes int
	cuts, mutes, phones, restarts      int
}

func (r *Result) wrong(what, say string, args ...any) {
	r.Violations = append(r.Violations, violation{what: what, say: fmt.Sprintf(say, args...)})
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
	x.Faults, x.Alone, x.phones = r.plan, r.site.endedAlone(), len(r.phones)
	if r.office != nil {
		o := r.office
		x.accepted, x.refused, x.doubtful = o.accepted.Load(), o.refused.Load(), o.doubtful.Load()
		x.unreachable, x.retried = o.unreachable.Load(), o.retried.Load()
	}
	r.books.Look(x.count)
	handed := make(map[ledger.Place]bool)
	for _, p := range r.phones {
		x.phone(p, handed)
	}
	x.handed = len(handed)
	if err != nil {
		x.wrong("the run", "did not come to its end: %v", err)
	}
	if len(x.Violations) > 0 {
		x.Transcript = r.keepEvidence(ctx)
	}
}

func (r *Result) count(l *ledger.Ledger) {
	r.pushed, r.stale = len(l.Order), l.Stale
	r.classes, r.why = make(map[schemas.Class]int), make(map[schemas.Class]map[schemas.Reason]int)
	for _, x := range l.Pushes {
		r.devices += len(x.Devices)
		for _, end := range x.Whole {
			r.classes[end.Class]++
			if r.why[end.Class] == nil {
				r.why[end.Class] = make(map[schemas.Reason]int)
			}
			r.why[end.Class][end.Reason]++
			if end.Attempt > 1 {
				r.again++
			}
			r.attempts = max(r.attempts, end.Attempt)
		}
	}
}

func (r *Result) phone(p *phone, handed map[ledger.Place]bool) {
	for _, n := range p.got() {
		handed[ledger.Place{User: p.User, Position: n.position}] = true
		r.handedEach++
		if n.again {
			r.flagged++
		}
	}
	r.homes += p.connected()
	r.restarts += p.restarts
	cuts, mutes := p.Count()
	r.cuts += cuts
	r.mutes += mutes
}

func (r *Result) reasons(class schemas.Class) string {
	var all []string
	for reason, n := range r.why[class] {
		all = append(all, fmt.Sprintf("%s %d", reason.Word(), n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// classes of outcomes, in the order of the table.
var classes = []schemas.Class{
	schemas.Class_CLASS_DELIVERED, schemas.Class_CLASS_WITHDRAWN, schemas.Class_CLASS_LOST, schemas.Class_CLASS_UNCONFIRMED,
}

// Table is the ledger as people read it.
func (r *Result) Table() string {
	var b strings.Builder
	row := func(what string, n int, say string) {
		fmt.Fprintf(&b, "  %-32s %8d  %s\n", what, n, say)
	}
	fmt.Fprintf(&b, "seed %d\n", r.Seed)
	row("pushes accepted", int(r.accepted), "by the office's count")
	row("  said again", int(r.retried), fmt.Sprintf("%d busy, %d in doubt, %d calls without an answer", r.refused, r.doubtful, r.unreachable))
	row("pushes in the log", r.pushed, "repeats of a name among them")
	ended := 0
	for _, class := range classes {
		row("  "+class.Word(), r.classes[class], r.reasons(class))
		ended += r.classes[class]
	}
	row("  without an outcome", r.pushed-ended, "")
	row("handed over, to any device", r.handed, "delivered ≤ this ≤ delivered + unconfirmed")
	row("outcomes for devices", r.devices, fmt.Sprintf("of %d phones", r.phones))
	row("handed over, to each device", r.handedEach, fmt.Sprintf("%d of them flagged as sent before", r.flagged))
	row("needed more than one connection", r.again, fmt.Sprintf("at most %d", r.attempts))
	row("connections", r.homes, fmt.Sprintf("%d cut, %d lost in tunnels, %d with the application", r.cuts, r.mutes, r.restarts))
	row("processes killed", r.kills(Kill), r.names(Kill))
	row("processes stopped", r.kills(Pause)+r.kills(Replace), r.names(Pause, Replace))
	row("processes that ended alone", len(r.Alone), strings.Join(r.Alone[:min(3, len(r.Alone))], "; "))
	row("decisions of older terms", r.stale, "ignored by every reader")
	row("violations", len(r.Violations), "")
	fmt.Fprintf(&b, "  pushing took %.1f s, then the last outcome came after %.1f s\n", r.Pushing.Seconds(), r.Settling.Seconds())
	return b.String()
}

func (r *Result) kills(kind Kind) (n int) {
	for _, f := range r.Faults {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

// names of what a kind of fault happened to, and how often.
func (r *Result) names(kinds ...Kind) string {
	times := make(map[string]int)
	for _, f := range r.Faults {
		switch {
		case !slices.Contains(kinds, f.Kind):
		case f.Kind == Replace:
			times[f.Target+", which was replaced"]++
		default:
			times[f.Target]++
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(times)) {
		if times[name] > 1 {
			name = fmt.Sprintf("%s ×%d", name, times[name])
		}
		all = append(all, name)
	}
	return strings.Join(all, ", ")
}

// close ends the phones, the books and everything else.
func (r *run) close() error {
	var errs []error
	for _, p := range r.phones {
		errs = append(errs, p.stop())
	}
	if r.stopBooks != nil {
		errs = append(errs, r.stopBooks())
	}
	return errors.Join(append(errs, r.site.close())...)
}
