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
	ReloadNotAhead   // nobody acts on rows beyond what it has read
	KeptWhileAbsent  // what comes about who is not in memory is kept
)

// remembers are the clauses about what a snapshot holds, or a worker that has let
// a user go. Of them only what comes of it counts, not that two folds differ.
const remembers = CommitAfterWork | KeptWhileAbsent | TombstoneInSnapshot | ClosingInSnapshot | TriesInSnapshot | EndedInSnapshot | RoutedInSnapshot

// Clause is one clause with its name, and the trouble that a search for a
// schedule in which it matters should meet, or such a schedule.
type Clause struct {
	Name     string
	Fault    Faults
	Meets    trouble
	Directed func(*world)
}

// Clauses lists all that can be taken away.
func Clauses() []Clause {
	return []Clause{
		{Name: "series-start", Fault: SeriesStart},
		{Name: "hold-back", Fault: HoldBack},
		{Name: "level-outputs", Fault: LevelOutputs},
		{Name: "dispatched-before-claim", Fault: DispatchedBeforeClaim},
		{Name: "kick-after-resumed", Fault: KickAfterResumed},
		{Name: "kick-names-session", Fault: KickNamesSession, Meets: onlyOne | lostStorage | newWorkers},
		{Name: "snapshot-first", Fault: SnapshotFirst},
		{Name: "acts-on-what-is-read", Fault: ActsOnWhatIsRead},
		{Name: "incarnation-in-id", Fault: IncarnationInID},
		{Name: "old-terms-ignored", Fault: OldTermsIgnored},
		{Name: "serial-filter", Fault: SerialFilter},
		{Name: "count-decides", Fault: CountDecides},
		{Name: "resumed-until-reached", Fault: ResumedUntilReached},
		{Name: "gap-check", Fault: GapCheck, Meets: lostCommands},
		{Name: "read-before-judged", Fault: ReadBeforeJudged, Meets: hungDevices | idle | longTTL},
		{Name: "tombstone-in-snapshot", Fault: TombstoneInSnapshot, Meets: cancels | newWorkers},
		{Name: "closing-in-snapshot", Fault: ClosingInSnapshot, Meets: newWorkers | stoppedGates},
		{Name: "tries-in-snapshot", Fault: TriesInSnapshot, Meets: poisonous | longTTL | newWorkers},
		{Name: "ended-in-snapshot", Fault: EndedInSnapshot, Meets: onlyOne | newWorkers | logouts},
		{Name: "routed-in-snapshot", Fault: RoutedInSnapshot, Meets: newWorkers | idle},
		{Name: "grace-after-stops", Fault: GraceAfterStops, Meets: stoppedGates | idle},
		{Name: "held-is-said", Fault: HeldIsSaid},
		{Name: "lost-is-resaid", Fault: LostIsResaid, Meets: refusedCommands},
		{Name: "ticket-names-login", Fault: TicketNamesLogin, Meets: restoredStorage},
		{Name: "commit-after-work", Fault: CommitAfterWork, Meets: killedProjector},
		{Name: "outcome-once", Fault: OutcomeOnce},
		{Name: "cursor-stored", Fault: CursorStored, Meets: killedApps | restoredStorage},
		{Name: "dispatched-stays", Fault: DispatchedStays, Meets: cancels},
		{Name: "claims-again", Fault: ClaimsAgain, Meets: newWorkers | longTTL},
		{Name: "deadline-left", Fault: DeadlineLeft, Meets: evictions | lonely},
		{Name: "late-for-route", Fault: LateForRoute, Directed: lateForRoute},
		{Name: "reload-not-ahead", Fault: ReloadNotAhead, Directed: reloadAhead},
		{Name: "kept-while-absent", Fault: KeptWhileAbsent, Meets: evictions | lonely},
		{Name: "poison-alone", Fault: PoisonAlone, Meets: poisonous},
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
		ActsAhead:         f.has(ReloadNotAhead),
		LosesKept:         f.has(KeptWhileAbsent),
	}
}
