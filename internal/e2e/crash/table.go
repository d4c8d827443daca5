package crash

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"waybill/internal/e2e/ledger"
)

// Table is the ledger as people read it.
func (r *Result) Table() string {
	var b strings.Builder
	row := func(what string, n int, say string) {
		fmt.Fprintf(&b, "  %-32s %8d  %s\n", what, n, say)
	}
	fmt.Fprintf(&b, "seed %d\n", r.Seed)
	row("pushes accepted", int(r.accepted), "by the office's count")
	row("  said again", int(r.retried), fmt.Sprintf("%d busy, %d in doubt, %d without an answer", r.refused, r.doubtful, r.unanswered))
	row("  compared with the log's order", r.linePairs+r.callPairs, fmt.Sprintf("%d lines of one call, %d calls after another's answer", r.linePairs, r.callPairs))
	row("pushes in the log", r.pushed, "repeats of a name among them")
	ended := 0
	for _, class := range ledger.Classes() {
		n := r.outcomes.Of(class)
		row("  "+class.Word(), n, r.outcomes.Reasons(class))
		ended += n
	}
	row("  without an outcome", r.pushed-ended, "")
	row("handed over, to any device", r.handed, "delivered ≤ this ≤ delivered + unconfirmed")
	row("  collapsed", r.did.collapsed, "a newer push had their key, and no device had been sent them")
	row("  canceled", r.did.canceled+r.did.early, fmt.Sprintf("%d of them before they were seen", r.did.early))
	row("  for a later time", r.did.delayed, "none was handed over before it")
	row("  spared a device", r.did.elsewhere, "another one was the first")
	row("outcomes for devices", r.outcomes.Devices, fmt.Sprintf("of %d phones", r.phones))
	row("handed over, to each device", r.handedEach, fmt.Sprintf("%d of them flagged as sent before", r.flagged))
	row("needed more than one connection", r.outcomes.Retried, fmt.Sprintf("at most %d", r.outcomes.Attempts))
	row("connections", r.homes, fmt.Sprintf("%d cut, %d lost in tunnels, %d with the application", r.cuts, r.mutes, r.restarts))
	row("processes killed", r.kills(Kill), r.names(Kill))
	row("processes stopped", r.kills(Pause)+r.kills(Replace), r.names(Pause, Replace))
	row("processes that ended alone", len(r.Alone), strings.Join(r.Alone[:min(3, len(r.Alone))], "; "))
	row("pending when it was replayed", r.standing.Pushes, fmt.Sprintf("for who was away; %d sessions, %d routes", r.standing.Sessions, r.standing.Routes))
	row("records of the log", r.records, fmt.Sprintf("%d of them repeats of a producer", r.twice))
	row("decisions of older terms", r.stale, "ignored by every reader")
	row("violations", len(r.Violations), r.kinds())
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
