package sim

import "waybill/delivery"

// Faults is a set of clauses of the rules that are taken away.
type Faults uint32

// The clauses. Each names what is true without the fault.
const (
	SeriesStart           Faults = 1 << iota // a series starts at the cursor in its connected
	HoldBack                                 // an unread undelivered end holds back later pushes
	LevelOutputs                             // a takeover says everything again
	DispatchedBeforeClaim                    // what is older than the claim counts as dispatched
	KickAfterResumed                         // only a device that has resumed kicks
	KickNamesSession                         // a kick ends one session and no other
	SnapshotFirst                            // the snapshot is loaded before the claim is appended
	ActsOnWhatIsRead                         // decisions take effect when they are read back
	IncarnationInID                          // a gate knows its own connections
	OldTermsIgnored                          // decisions of older terms mean nothing
	SerialFilter                             // repeats are ignored
	CountDecides                             // within an install the higher count wins
	ResumedUntilReached                      // resumed is owed until an acked reaches it
	GapCheck                                 // a hole closes the connection
	ReadBeforeJudged                         // timers are judged when the log has been read
	TombstoneInSnapshot                      // these stand in the snapshot
	ClosingInSnapshot
	TriesInSnapshot
	EndedInSnapshot
	RoutedInSnapshot
	GraceAfterStops  // ack timers wait for what a stopped gate has to report
	HeldIsSaid       // what a full way keeps back is said when it takes more
	LostIsResaid     // commands that were refused are said again
	TicketNamesLogin // a ticket names the login of its session
)

// Clause is one clause with its name.
type Clause struct {
	Name  string
	Fault Faults
}

// Clauses lists all that can be taken away.
func Clauses() []Clause {
	return []Clause{
		{"series-start", SeriesStart},
		{"hold-back", HoldBack},
		{"level-outputs", LevelOutputs},
		{"dispatched-before-claim", DispatchedBeforeClaim},
		{"kick-after-resumed", KickAfterResumed},
		{"kick-names-session", KickNamesSession},
		{"snapshot-first", SnapshotFirst},
		{"acts-on-what-is-read", ActsOnWhatIsRead},
		{"incarnation-in-id", IncarnationInID},
		{"old-terms-ignored", OldTermsIgnored},
		{"serial-filter", SerialFilter},
		{"count-decides", CountDecides},
		{"resumed-until-reached", ResumedUntilReached},
		{"gap-check", GapCheck},
		{"read-before-judged", ReadBeforeJudged},
		{"tombstone-in-snapshot", TombstoneInSnapshot},
		{"closing-in-snapshot", ClosingInSnapshot},
		{"tries-in-snapshot", TriesInSnapshot},
		{"ended-in-snapshot", EndedInSnapshot},
		{"routed-in-snapshot", RoutedInSnapshot},
		{"grace-after-stops", GraceAfterStops},
		{"held-is-said", HeldIsSaid},
		{"lost-is-resaid", LostIsResaid},
		{"ticket-names-login", TicketNamesLogin},
	}
}

func (f Faults) has(one Faults) bool { return f&one != 0 }

// core is the part of the faults that stands in the core itself.
func (f Faults) core() delivery.Faults {
	return delivery.Faults{
		NoHoldBack:        f.has(HoldBack),
		EdgeOutputs:       f.has(LevelOutputs),
		ForgetsDispatched: f.has(DispatchedBeforeClaim),
		KicksEarly:        f.has(KickAfterResumed),
		ActsUnread:        f.has(ActsOnWhatIsRead),
		NoGrace:           f.has(GraceAfterStops),
		ForgetsHeld:       f.has(HeldIsSaid),
		NeverResays:       f.has(LostIsResaid),
	}
}
