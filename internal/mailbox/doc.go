// Package mailbox is the fold: what one partition of waybill.events means.
//
// A State takes events in log order and keeps, for each user, what the user's
// devices are still owed, which session and route each device has, and what
// has been asked for and not yet been decided. It decides nothing: no clock,
// no I/O, no goroutine, no policy. The same events give the same state in
// every reader, under every version of a policy.
//
//	pushed ──▶ Push ── a Copy for each device ──▶ acked ──▶ outcome ──▶ gone
//	connected ──▶ Device.Conn (its route) ──▶ disconnected, bounced, route_ended
//
// Two stages fold: delivery, which decides on what it sees here, and the
// projector, which stores what changed (internal/snapshot). That they agree
// is therefore a matter of one package, not of a test between two.
//
// # Bounds
//
// What one user holds is bounded, so that each reader's memory is: the mailbox
// and the number of live sessions by delivery's decisions, all else here.
//
//   - Push ids and tombstones: the window, and 1,000 of each; the oldest go.
//   - Closing connections: 64. One goes that nobody is behind (User.abandoned):
//     nobody is left deaf or alive by it.
//   - Slots of devices (slots.go): that of a session that has ended is used again
//     once its tickets are dead, or, beyond 256, at once. Tickets of whoever had a
//     slot before revive nothing: the slot knows the newest login that was let go.
//
// Strings and bytes of an event may alias a reader's buffer; the fold clones
// what it keeps.
package mailbox
