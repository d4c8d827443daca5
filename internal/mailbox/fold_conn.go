package mailbox

import (
	"slices"
	"strings"

	"waybill/schemas"
)

// connected gives the device its route, unless the log already knows better:
// an ended session does not come back, and within one install the higher
// count wins. Between installs, and for equal counts, log order decides.
func (u *User) connected(pos schemas.Position, at int64, e *schemas.Event) {
	b := e.Connected
	if b == nil {
		return
	}
	i := u.deviceFor(e.Device)
	d := &u.Devices[i]
	d.linked, u.moved = true, true
	session, install := schemas.IDFrom(e.Session), schemas.IDFrom(b.Install)
	u.outlived(e)
	if reason, ended := u.endOf(session); ended {
		u.close(e.Device, e.Conn(), reason)
		return
	}
	if d.Install == install && b.Count < d.Count {
		u.close(e.Device, e.Conn(), schemas.Reason_REASON_STALE_LOGIN)
		return
	}
	u.endRoute(i, schemas.Reason_REASON_SUPERSEDED)
	if b.Login {
		d.LoginAt = pos
	}
	u.inherit(i)
	d.Live, d.Session, d.Leaving = true, session, 0
	d.Install, d.Count, d.SessionTime = install, b.Count, b.SessionTime
	d.Platform, d.Version = strings.Clone(b.Platform), strings.Clone(b.ClientVersion)
	u.route(i, pos, at, e)
}

// inherit: a device without a live session is owed every push that has not
// ended as a whole; one with a session keeps its debts. Both now have a route.
func (u *User) inherit(i int) {
	d := &u.Devices[i]
	d.swept = 0
	for _, p := range u.Pushes {
		c := p.Copy(i)
		before := *c
		if !d.Live && p.Never == 0 && p.End == 0 && c.End == 0 && p.For(d.Name) {
			c.Owed = true
		}
		c.Routed = c.Routed || c.Open()
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

// endOf says why a session has ended, if it has. Its device hears the reason
// again: one that was kicked while it was away must not log in by itself.
func (u *User) endOf(session schemas.ID) (schemas.Reason, bool) {
	i := slices.IndexFunc(u.Ended, func(s Ended) bool { return s.Session == session })
	if i < 0 {
		return 0, false
	}
	if r := u.Ended[i].Reason; r != 0 {
		return r, true
	}
	return schemas.Reason_REASON_SESSION_ENDED, true
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
	u.endRoute(i, 0)
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

// bounced: the gate does not hold the connection.
func (u *User) bounced(e *schemas.Event) {
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
		u.endRoute(i, 0)
	}
}

// routeEnded is delivery's word that a connection's gate is gone. Where the
// gate is only silent, the connection is closing: it may wake up. A newer
// incarnation proves that there is nothing left to close.
func (u *User) routeEnded(e *schemas.Event) {
	conn, reason := e.Conn(), e.RouteEnded.GetReason()
	closing := reason
	if reason == schemas.Reason_REASON_GATE_REPLACED {
		closing = 0
		u.dropClosing(func(c Closing) bool { return c.Conn == conn })
	}
	if i := u.routed(e.Device, conn); i >= 0 {
		u.endRoute(i, closing)
	}
}

// sessionOver ends one session, and no other. What its device was owed is
// dropped without outcomes: the pushes wait on for another device, or for this
// one's next login, until they end as a whole.
func (u *User) sessionOver(at int64, e *schemas.Event, session schemas.ID, reason schemas.Reason) {
	if session.IsZero() {
		return // it names none
	}
	if len(u.Ended) == maxEnded {
		u.Ended = slices.Delete(u.Ended, 0, 1)
	}
	u.Ended = append(u.Ended, Ended{session, strings.Clone(e.Device), reason, at})
	u.changes.lists, u.moved = true, true
	i := u.Device(e.Device)
	if i < 0 || !u.Devices[i].Live || u.Devices[i].Session != session {
		return
	}
	u.endRoute(i, reason)
	d := &u.Devices[i]
	d.Live, d.Leaving, d.GapFrom, d.GapTo, d.linked = false, 0, 0, 0, true
	for _, p := range slices.Clone(u.Pushes) {
		u.drop(p, i)
	}
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
