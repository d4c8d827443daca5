// Package delivery folds the log into mailboxes, makes every decision
// (release, kick, outcome) and commands the gates.
//
//	waybill.events ──▶ Core (pure) ──▶ decisions ──▶ waybill.events
//	waybill.gates  ──▶             ──▶ commands  ──▶ waybill.dispatch
//
// A Worker owns partitions of waybill.events, a goroutine and a Core for each.
// It owns a partition by a record in it: it loads the snapshot, appends
// claimed, folds silently up to its own record and only then acts. Its term is
// that record's position; everybody ignores decisions of older terms.
//
// Nothing is lost with a worker: what it remembers beyond the fold (which
// pushes it dispatched, what it said) is said again by the next one, and the
// gates swallow what they know. It commits no offsets.
//
// It looks at users, not at events: what is read marks its user, and once for
// some records those who are marked are looked at. Of a user's pushes only
// those are decided on that have changed, or all when a route, a session or the
// time has; the simulation holds the one against the other.
//
// # Failures
//
//   - One gate's partition of waybill.dispatch is slow or away: its commands
//     wait in a queue of at most 4,096 and what one look puts out; then nothing is
//     said to that gate, and the core only knows who has more to hear. Nobody
//     else waits. When it takes commands again, each series goes on where it
//     stands.
//   - The partition of waybill.events takes no decisions: the worker stops
//     reading it when 4,096 wait.
//   - The log refuses a command for good: all is said again to that gate; a
//     decision or a claim: the worker claims again, and says everything.
//   - A gate, this worker or the whole machine was stopped and wakes: ack timers
//     get the time of one timer more, since what devices acknowledged meanwhile
//     is still on its way. A former worker that wakes speaks of what it had read
//     before the newer claim; all that counts as dispatched for the new one, the
//     gap rule swallows it, and decisions of its term are ignored.
package delivery
