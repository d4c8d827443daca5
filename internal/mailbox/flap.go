package mailbox

import "waybill/schemas"

// Two devices, or two copies of one, that take each other's place again and again
// are damped: the fold counts, delivery lets the loser wait. What is counted lies
// in the log, so every reader and every later worker counts the same.

// Bounds of what belongs together, in microseconds of broker time.
const (
	flapWithin = 60 * 1e6  // two alternations, besides what the loser was told to wait
	kickWithin = 600 * 1e6 // two kicks
	mostDamped = 300 * 1e6
	undamped   = 3 // how often it is free: a person who changes phones does so
)

// Damping is how long the loser of the nth time waits, in microseconds: from the
// fourth on 2 s, 4 s, ... and at most 5 minutes.
func Damping(n uint16) int64 {
	if n <= undamped {
		return 0
	}
	return min(int64(1e6)<<min(n-undamped, 16), mostDamped)
}

// alternated counts a connection of another install than the one before it, soon
// after such a one: two phones with one device id. It returns why the loser's
// connection must go.
func (d *Device) alternated(install schemas.ID, at int64) schemas.Reason {
	if d.Install == install || d.Install.IsZero() {
		return schemas.Reason_REASON_SUPERSEDED
	}
	if at-d.FlapAt > flapWithin+Damping(d.Flaps) {
		d.Flaps = 0
	}
	d.FlapAt, d.Flaps = at, min(d.Flaps, 1000)+1
	if Damping(d.Flaps) == 0 {
		return schemas.Reason_REASON_SUPERSEDED
	}
	return schemas.Reason_REASON_FLAPPING
}

// Kicks is how often devices of the user kicked each other, each time soon after
// the one before, as of broker time at; 0 once they have kept the peace.
func (u *User) Kicks(at int64) uint16 {
	var newest *Device
	for i := range u.Devices {
		if d := &u.Devices[i]; d.KickAt > 0 && (newest == nil || d.KickAt >= newest.KickAt) {
			newest = d
		}
	}
	if newest == nil || at-newest.KickAt > kickWithin {
		return 0
	}
	return newest.Kicks
}

// kicked ends a session because of a newer login, whose device counts it: once,
// however many it kicks. That login's connection is in the event; where it has
// gone meanwhile, the kicked device counts.
func (u *User) kicked(at int64, e *schemas.Event) {
	n := min(u.Kicks(at), 1000) + 1
	by := u.sessionOver(at, e, schemas.IDFrom(e.Kicked.GetSession()), e.Kicked.GetReason())
	if by < 0 {
		return
	}
	for i := range u.Devices {
		if conn := e.Conn(); !conn.IsZero() && u.Devices[i].Conn == conn {
			by = i
		}
	}
	d := &u.Devices[by]
	if !d.Live || d.Kicks == 0 {
		d.Kicks = n
	}
	d.KickAt, d.linked = at, true
}
