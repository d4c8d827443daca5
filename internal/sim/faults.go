package sim

import "waybill/delivery"

// Faults is a set of clauses of the rules that are taken away.
type Faults uint64

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
	CommitAfterWork  // the projector's place goes with its rows, not ahead of them
	OutcomeOnce      // an outcome that is under way is not said again
	CursorStored     // the SDK's cursor is stored before it is acknowledged
	DispatchedStays  // a cancel ends nothing that was dispatched
	ClaimsAgain      // a worker that is overtaken though still assigned claims again
	PoisonAlone      // a poison push ends alone
	DeadlineLeft     // who leaves memory leaves the next deadline behind
	LateForRoute     // a route that began after a push's ttl does not get it
	KeptWhileAbsent  // what comes about who is not in memory is kept
)

// remembers are the clauses about what a snapshot holds, or a worker that has let
// a user go. Of them only what comes of it counts, not that two folds differ.
const remembers = CommitAfterWork | KeptWhileAbsent | TombstoneInSnapshot | ClosingInSnapshot | TriesInSnapshot | EndedInSnapshot | RoutedInSnapshot

// Clause is one clause with its name, and the trouble that a search for a
// schedule in which it matters should meet.
type Clause struct {
	Name  string
	Fault Faults
	Meets trouble
}

// Clauses lists all that can be taken away.
func Clauses() []Clause {
	return []Clause{
		{"series-start", SeriesStart, 0},
		{"hold-back", HoldBack, 0},
		{"level-outputs", LevelOutputs, 0},
		{"dispatched-before-claim", DispatchedBeforeClaim, 0},
		{"kick-after-resumed", KickAfterResumed, 0},
		{"kick-names-session", KickNamesSession, onlyOne | lostStorage | newWorkers},
		{"snapshot-first", SnapshotFirst, 0},
		{"acts-on-what-is-read", ActsOnWhatIsRead, 0},
		{"incarnation-in-id", IncarnationInID, 0},
		{"old-terms-ignored", OldTermsIgnored, 0},
		{"serial-filter", SerialFilter, 0},
		{"count-decides", CountDecides, 0},
		{"resumed-until-reached", ResumedUntilReached, 0},
		{"gap-check", GapCheck, lostCommands},
		{"read-before-judged", ReadBeforeJudged, hungDevices | idle | longTTL},
		{"tombstone-in-snapshot", TombstoneInSnapshot, cancels | newWorkers},
		{"closing-in-snapshot", ClosingInSnapshot, newWorkers | stoppedGates},
		{"tries-in-snapshot", TriesInSnapshot, poisonous | longTTL | newWorkers},
		{"ended-in-snapshot", EndedInSnapshot, onlyOne | newWorkers | logouts},
		{"routed-in-snapshot", RoutedInSnapshot, newWorkers | idle},
		{"grace-after-stops", GraceAfterStops, stoppedGates | idle},
		{"held-is-said", HeldIsSaid, 0},
		{"lost-is-resaid", LostIsResaid, refusedCommands},
		{"ticket-names-login", TicketNamesLogin, restoredStorage},
		{"commit-after-work", CommitAfterWork, killedProjector},
		{"outcome-once", OutcomeOnce, 0},
		{"cursor-stored", CursorStored, killedApps | restoredStorage},
		{"dispatched-stays", DispatchedStays, cancels},
		{"claims-again", ClaimsAgain, newWorkers | longTTL},
		{"deadline-left", DeadlineLeft, evictions | lonely},
		{"late-for-route", LateForRoute, evictions | newWorkers | zeroTTL},
		{"kept-while-absent", KeptWhileAbsent, evictions | lonely},
		{"poison-alone", PoisonAlone, poisonous},
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
		SaysTwice:         f.has(OutcomeOnce),
		CancelsDispatched: f.has(DispatchedStays),
		PoisonSpreads:     f.has(PoisonAlone),
		LosesDeadlines:    f.has(DeadlineLeft),
		SendsLate:         f.has(LateForRoute),
		LosesKept:         f.has(KeptWhileAbsent),
	}
}
