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
// Strings and bytes of an event may alias a reader's buffer; the fold clones
// what it keeps.
package mailbox
