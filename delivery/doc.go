// Package delivery folds the log into mailboxes, makes every decision
// (release, kick, outcome, the end of a session or a route, that nobody is
// connected) and commands the gates.
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
// # Ack timers
//
// A log may say where it ends and yet take nothing: a leader whose replica died
// waits for it until it is fenced. Then devices acknowledge, and the log does not
// know. So an ack timer that has run out is in doubt, and closes its connection
// only when it is proved that the partition takes writes:
//
//   - While one is in doubt, the worker appends ticks to the partition, one at a
//     time and each two seconds after the one before was acknowledged. A tick
//     here is a record of nobody, under the key of a user in doubt: folds and
//     projectors ignore it, and so does an older version. A log without silent
//     devices has none.
//   - Two ticks in a row that were appended within a second and read back judge
//     what ran out before the first was handed over. In between, the gates'
//     producers have tried again: they do so twice a second.
//   - A tick that took longer, or was refused, says the contrary: all ack timers
//     of the partition get the time of one timer more, and it begins anew.
//
// A silent device is therefore closed some two seconds after its timer, four
// where others ran out just before. What ends by its ttl waits for no proof.
// A partition that takes writes for a moment at each tick and none in between
// would deceive the worker; the device's next heartbeat or resume says its cursor
// again, so this costs a connection and no push.
//
// # Memory
//
// Users who are away leave memory once rows in Postgres have them, and return from
// there when an event or their time comes (absent.go, recall.go, decision 15). A
// takeover begins with those of whom something may have to be said. A partition
// that a rebalance took away is served on until the other worker's claim is read.
//
// # Failures
//
//   - Postgres is away: users who are not in memory wait, what comes about them is
//     kept, up to a bound. Everybody else goes on; nobody leaves.
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
