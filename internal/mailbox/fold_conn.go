package mailbox

import (
	"slices"
	"strings"

	"waybill/schemas"
)

// connected gives the device its route, unless the log already knows better:
// neither an ended session nor one that is older than the device's newest comes
// back, and within one install the higher count wins. Between installs, and for
// equal counts, log order decides.
func (u *User) connected(pos schemas.Position, at int64, e *schemas.Event) {
	b := e.Connected
	if b == nil || u.known(e.Conn()) {
		return
	}
	u.outlived(e)
	if !b.Login && u.gave(e.Device, schemas.Position(b.LoginAt)) {
		u.turnAway(e, schemas.Reason_REASON_SESSION_ENDED)
		return
	}
	i := u.deviceFor(e.Device, at)
	d := &u.Devices[i]
	d.linked, u.moved = true, true
	loginAt := d.loginOf(pos, e)
	if reason := d.endOf(e, loginAt); reason != 0 {
		u.turnAway(e, reason)
		return
	}
	u.endRoute(i, at, d.alternated(schemas.IDFrom(b.Install), at))
	u.inherit(i, at)
	d.begin(loginAt, e)
	u.route(i, pos, at, e)
}

// turnAway closes a connection that gets no route.
func (u *User) turnAway(e *schemas.Event, reason schemas.Reason) {
	u.close(Closing{Device: e.Device, Conn: e.Conn(), Reason: reason, Install: schemas.IDFrom(e.Connected.Install)})
}

// begin gives the device the session of a connected, or goes on with it.
func (d *Device) begin(loginAt schemas.Position, e *schemas.Event) {
	b, session := e.Connected, schemas.IDFrom(e.Session)
	if d.Session != session {
		d.Before, d.Kicks, d.KickAt = d.Session, 0, 0
	}
	if d.Session != session || d.Leaving != schemas.Reason_REASON_IDENTIFIED {
		d.Leaving = 0
	}
	d.Live, d.Session, d.LoginAt, d.Ended = true, session, loginAt, 0
	d.Install, d.Count, d.SessionTime = schemas.IDFrom(b.Install), b.Count, b.SessionTime
	d.Platform, d.Version = strings.Clone(b.Platform), strings.Clone(b.ClientVersion)
}

// known says that the connection has its route, or is closing: its connected is a
// repeat, and says nothing.
func (u *User) known(conn schemas.ConnID) bool {
	if conn.IsZero() {
		return false
	}
	for i := range u.Devices {
		if u.Devices[i].Conn == conn {
			return true
		}
	}
	return slices.ContainsFunc(u.Closing, func(c Closing) bool { return c.Conn == conn })
}

// inherit: a device without a live session is owed every push that has not
// ended as a whole; one with a session keeps its debts. Both now have a route, but
// not for a push that was late by then: no worker dispatches it on this route
// any more.
func (u *User) inherit(i int, at int64) {
	d := &u.Devices[i]
	d.swept = 0
	for _, p := range u.Pushes {
		c := p.Copy(i)
		before := *c
		if !d.Live && p.Never == 0 && p.End == 0 && c.End == 0 && p.For(d.Name) {
			c.Owed = true
		}
		c.Routed = c.Routed || c.Open() && at <= p.Dead
		p.changed = p.changed || c.Owed != before.Owed || c.Routed != before.Routed
	}
}

// route begins the connection's series at the cursor that the device presented,
// which also acknowledges what lies before it. A cursor that means nothing here
// moves nothing: the series starts below the oldest debt, and says so (Adopt).
func (u *User) route(i int, pos schemas.Position, at int64, e *schemas.Event) {
	d, b := &u.Devices[i], e.Connected
	d.Conn, d.ResumeAt, d.Progress, d.Since = e.Conn(), pos, at, at
	d.Window, d.MaxFrame = b.Limits.GetWindow(), b.Limits.GetMaxFrame()
	cursor := schemas.Position(b.Cursor)
	if d.Adopt = strange(cursor, pos); d.Adopt != 0 {
		d.Base = u.before(i, pos)
		return
	}
	d.Base = cursor
	u.ackUpTo(i, cursor, pos, at, e)
}

// strange says why a cursor means nothing here: it lies beyond the record in
// which it stands, so it is from another log.
func strange(cursor, pos schemas.Position) schemas.Reason {
	switch {
	case cursor <= pos:
		return 0
	case cursor.Epoch() > pos.Epoch():
		return schemas.Reason_REASON_STRANGE_EPOCH
	}
	return schemas.Reason_REASON_STRANGE_CURSOR
}

// before is the position from which a device without a usable cursor starts:
// just below the first push that it is owed.
func (u *User) before(i int, pos schemas.Position) schemas.Position {
	for _, p := range u.Unswept(i) {
		if c := p.Copy(i); c.Open() && !c.Acked {
			return p.Pos - 1
		}
	}
	return pos - 1
}

// loginOf is the position of the login that began the session of a connected at
// pos. That of the device's newest session is known. Any other is what the ticket
// says; an old ticket says nothing, and one that names a place beyond the record
// in which it stands is from another log: both are older than every login here.
func (d *Device) loginOf(pos schemas.Position, e *schemas.Event) schemas.Position {
	at := schemas.Position(e.Connected.LoginAt)
	switch session := schemas.IDFrom(e.Session); {
	case session.IsZero() && e.Connected.Login:
		return pos
	case d.Session == session:
		return d.LoginAt // also of a repeated login
	case e.Connected.Login && d.Before == session:
		return 0 // repeated after a newer login: nobody draws a session twice
	case e.Connected.Login:
		return pos
	case at < pos:
		return at
	}
	return 0
}

// endOf says why the session of a connected, named by its login, gets no route; 0
// if it does. A newer login has ended every older one. Of the newest, the device
// hears the reason again: one that was kicked while it was away must not log in
// by itself. Within one install the higher count is the newer connection.
func (d *Device) endOf(e *schemas.Event, loginAt schemas.Position) schemas.Reason {
	b := e.Connected
	switch {
	case loginAt < d.LoginAt:
		return schemas.Reason_REASON_SESSION_ENDED
	case loginAt == d.LoginAt && schemas.IDFrom(e.Session) == d.Session && d.Ended != 0:
		return d.Ended
	case d.Install == schemas.IDFrom(b.Install) && b.Count < d.Count:
		return schemas.Reason_REASON_STALE_LOGIN
	}
	return 0
}

// outlived: a connection of a newer incarnation of a gate proves that what the
// older one held is gone.
func (u *User) outlived(e *schemas.Event) {
	u.dropClosing(func(c Closing) bool {
		return c.Conn.Gate == e.Gate && c.Conn.Incarnation < e.Incarnation
	})
}

// dropClosing ends the closing of connections that are known to be gone.
func (u *User) dropClosing(which func(Closing) bool) {
	n := len(u.Closing)
	if u.Closing = slices.DeleteFunc(u.Closing, which); len(u.Closing) != n {
		u.changes.lists, u.moved = true, true
	}
}

// disconnected is the gate's own word that the connection is gone: nothing is
// left to close. It carries the last cursor, which counts also when the route
// has long been another's.
func (u *User) disconnected(pos schemas.Position, at int64, e *schemas.Event) {
	b, conn := e.Disconnected, e.Conn()
	u.dropClosing(func(c Closing) bool { return c.Conn == conn })
	if i := u.Device(e.Device); i >= 0 && b.GetCursor() > 0 {
		u.ackUpTo(i, schemas.Position(b.Cursor), pos, at, e)
	}
	if b.GetReason() == schemas.Reason_REASON_LOGGED_OUT {
		u.leave(e)
	}
	i := u.routed(e.Device, conn)
	if i < 0 {
		return
	}
	if b.GetReceived() > 0 {
		u.Devices[i].Received = schemas.Position(b.Received)
	}
	u.endRoute(i, at, 0)
}

// leave: the person logged out, also where the connection had been given up
// before its gate said so. A newer connection of the session stays.
func (u *User) leave(e *schemas.Event) {
	i := u.Device(e.Device)
	if i < 0 {
		return
	}
	d := &u.Devices[i]
	if d.Live && d.Session == schemas.IDFrom(e.Session) && (d.Conn == e.Conn() || !d.Connected()) {
		d.Leaving, d.linked, u.moved = schemas.Reason_REASON_LOGGED_OUT, true, true
	}
}

// identified: the device of an anonymous user logged in as a person, and its gate
// has seen the anonymous ticket. That session goes, also where a connection of it
// comes late.
func (u *User) identified(e *schemas.Event) {
	i, session := u.Device(e.Device), schemas.IDFrom(e.Identified.GetSession())
	if i < 0 || session.IsZero() {
		return
	}
	if d := &u.Devices[i]; d.Live && d.Session == session {
		d.Leaving, d.linked, u.moved = schemas.Reason_REASON_IDENTIFIED, true, true
	}
}

// bounced: the gate does not hold the connection.
func (u *User) bounced(at int64, e *schemas.Event) {
	b, conn := e.Bounced, e.Conn()
	u.dropClosing(func(c Closing) bool { return c.Conn == conn })
	i := u.Device(e.Device)
	if i < 0 || b == nil {
		return
	}
	if p := u.Push(schemas.Position(b.Position)); p != nil {
		p.Copy(i).reported(b.Attempt, b.Dispatched, conn, u.Devices[i].Conn)
		u.note(p)
	}
	if i = u.routed(e.Device, conn); i >= 0 {
		u.endRoute(i, at, 0)
	}
}

// routeEnded is delivery's word that a connection's gate is gone. Where the
// gate is only silent, the connection is closing: it may wake up. A newer
// incarnation proves that there is nothing left to close.
func (u *User) routeEnded(at int64, e *schemas.Event) {
	conn, reason := e.Conn(), e.RouteEnded.GetReason()
	closing := reason
	if reason == schemas.Reason_REASON_GATE_REPLACED {
		closing = 0
		u.dropClosing(func(c Closing) bool { return c.Conn == conn })
	}
	if i := u.routed(e.Device, conn); i >= 0 {
		u.endRoute(i, at, closing)
	}
}

// sessionOver ends one session, and no other. What its device was owed is
// dropped without outcomes: the pushes wait on for another device, or for this
// one's next login, until they end as a whole.
//
// An end of a session that is not its device's newest changes nothing: a newer
// login has ended it already.
//
// It returns the device's index, or -1.
func (u *User) sessionOver(at int64, e *schemas.Event, session schemas.ID, reason schemas.Reason) int {
	if session.IsZero() {
		return -1 // it names none
	}
	i := u.Device(e.Device)
	if i < 0 || !u.Devices[i].Live || u.Devices[i].Session != session {
		return -1
	}
	u.endRoute(i, at, reason)
	if reason == 0 {
		reason = schemas.Reason_REASON_SESSION_ENDED
	}
	d := &u.Devices[i]
	d.Live, d.Ended, d.Leaving, d.GapFrom, d.GapTo = false, reason, 0, 0, 0
	d.Progress = at
	d.linked, u.moved = true, true
	for _, p := range slices.Clone(u.Pushes) {
		u.drop(p, i)
	}
	return i
}

// drop takes a debt back. A push that may have been dispatched to the device
// can no longer end as lost.
func (u *User) drop(p *Push, i int) {
	c := p.Copy(i)
	if !c.Open() || c.Acked {
		return
	}
	c.Owed = false
	p.Unconfirmed = p.Unconfirmed || c.Routed
	u.note(p)
	u.removeOver(p)
}
