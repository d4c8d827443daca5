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
package delivery
