package mailboxtest

import (
	"fmt"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

func (l *Log) pushed(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_PUSHED
	trace, id := l.id(1<<30), l.id(1<<30)
	b := &schemas.Pushed{
		Family: 7, Command: uint32(l.r.IntN(300)), Ttl: int64(l.r.IntN(100_000)),
		Body: []byte(fmt.Sprint("body ", l.r.IntN(3))), FirstDeviceWins: l.one(3),
	}
	if l.one(2) {
		b.Name = fmt.Sprint("order ", l.r.IntN(20))
		id = schemas.NamedID(u.App, u.Name, b.Name)
	}
	if l.one(4) {
		b.CollapseKey = fmt.Sprint("key ", l.r.IntN(2))
	}
	if l.one(6) {
		b.DeliverAt = l.now + 3600*1e6
	}
	if l.one(4) {
		b.Label, b.Body = "a label\x00", nil
	}
	if l.one(4) {
		e.Device = l.device(u).Name
		e.ParentSpan = []byte{1, 2, 3, 4, 5, 6, 7, 255}
	}
	b.PushId, e.TraceId, e.Pushed = id[:], trace[:], b
	b.Digest = b.DigestFor(e.Device)
}

func (l *Log) cancelAsked(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_CANCEL_ASKED
	id := schemas.NamedID(u.App, u.Name, fmt.Sprint("order ", l.r.IntN(30)))
	if len(u.Waiting) > 0 && l.one(2) {
		id = u.Waiting[l.r.IntN(len(u.Waiting))].Push.ID
	}
	e.CancelAsked = &schemas.CancelAsked{PushId: id[:]}
}

func (l *Log) connected(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_CONNECTED
	d := l.device(u)
	l.conns++
	e.SetConn(schemas.ConnID{Gate: 1 + uint32(l.r.IntN(2)), Incarnation: 1 + l.conns/40, Number: 100 + l.conns})
	install := l.id(2)
	b := &schemas.Connected{
		Login: l.one(2), Platform: "android", ClientVersion: "1.2", Install: install[:], Count: d.Count + uint64(l.r.IntN(3)),
		Cursor: uint64(d.Cursor), SessionTime: l.now, Limits: &schemas.Limits{MaxFrame: 65536, Window: uint32(l.r.IntN(3))},
	}
	session := d.Session
	if b.Login || session.IsZero() {
		session = l.id(1 << 30)
	}
	if l.one(5) {
		b.Cursor = uint64(l.position(u))
	}
	if !b.Login && !l.one(4) { // the others have old tickets
		b.LoginAt = uint64(d.LoginAt)
	}
	if !b.Login && l.one(8) {
		b.LoginAt = uint64(l.position(u)) // of an older session, or of a login that was cut off
	}
	e.Device, e.Session, e.Connected = d.Name, session[:], b
}

func (l *Log) disconnected(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_DISCONNECTED
	l.about(u, e)
	b := &schemas.Disconnected{Reason: schemas.Reason_REASON_PEER_CLOSED}
	if l.one(3) {
		b.Cursor, b.Received = uint64(l.position(u)), uint64(l.position(u))
	}
	if l.one(5) {
		b.Reason = schemas.Reason_REASON_LOGGED_OUT
	}
	e.Disconnected = b
}

func (l *Log) sent(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_SENT
	l.about(u, e)
	e.Sent = &schemas.Sent{Position: uint64(l.position(u)), Attempt: uint32(1 + l.r.IntN(3)), Dispatched: l.now - 5}
}

func (l *Log) bounced(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_BOUNCED
	l.about(u, e)
	e.Bounced = &schemas.Bounced{
		Reason:   schemas.Reason_REASON_UNKNOWN_CONNECTION,
		Position: uint64(l.position(u)), Attempt: uint32(1 + l.r.IntN(3)), Dispatched: l.now - 5,
	}
}

func (l *Log) acked(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_ACKED
	d := l.about(u, e)
	e.Acked = &schemas.Acked{Cursor: uint64(l.position(u))}
	if l.one(4) {
		e.Acked.Cursor = uint64(d.ResumeAt)
	}
	if l.one(3) {
		e.Acked.Received = uint64(l.position(u))
	}
}

func (l *Log) opened(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_OPENED
	l.about(u, e)
	e.Opened = &schemas.Opened{Position: uint64(l.position(u))}
}

func (l *Log) released(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_RELEASED
	at := l.position(u)
	if len(u.Waiting) > 0 {
		at = u.Waiting[l.r.IntN(len(u.Waiting))].Push.Pos
	}
	e.Released = &schemas.Released{Position: uint64(at)}
}

func (l *Log) outcome(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_OUTCOME
	b := &schemas.Outcome{
		Position: uint64(l.position(u)), Class: schemas.Class(1 + l.r.IntN(4)),
		Reason: schemas.Reason_REASON_EXPIRED, Whole: l.one(2),
	}
	if l.one(3) {
		b.Class, b.Reason = schemas.Class_CLASS_LOST, schemas.Reason_REASON_OVERFLOW
	}
	if l.one(2) {
		e.Device = l.device(u).Name
	}
	e.Outcome = b
}

func (l *Log) unreached(u *mailbox.User, e *schemas.Event) {
	e.Kind, e.Unreached = schemas.Kind_KIND_UNREACHED, &schemas.Unreached{Position: uint64(l.position(u))}
}

func (l *Log) identified(u *mailbox.User, e *schemas.Event) {
	d := l.about(u, e)
	e.Kind, e.Identified = schemas.Kind_KIND_IDENTIFIED, &schemas.Identified{Session: d.Session[:]}
}

// ended ends a session: kicked, or by any other reason.
func (l *Log) ended(u *mailbox.User, e *schemas.Event) {
	d := l.about(u, e)
	if l.one(2) {
		e.Kind = schemas.Kind_KIND_KICKED
		e.Kicked = &schemas.Kicked{Session: d.Session[:], Reason: schemas.Reason_REASON_KICKED}
		return
	}
	e.Kind = schemas.Kind_KIND_SESSION_ENDED
	e.SessionEnded = &schemas.SessionEnded{Session: d.Session[:], Reason: schemas.Reason_REASON_LOGGED_OUT}
}

func (l *Log) routeEnded(u *mailbox.User, e *schemas.Event) {
	e.Kind = schemas.Kind_KIND_ROUTE_ENDED
	l.about(u, e)
	e.RouteEnded = &schemas.RouteEnded{Reason: schemas.Reason_REASON_GATE_SILENT}
	if l.one(2) {
		e.RouteEnded.Reason = schemas.Reason_REASON_GATE_REPLACED
	}
}

// other is an event that the mailbox does not look at, or a new term.
func (l *Log) other(u *mailbox.User, e *schemas.Event) {
	switch l.r.IntN(8) {
	case 0:
		*e = schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: []byte("0123456789abcdef")}}
	case 1:
		*e = schemas.Event{Kind: schemas.Kind_KIND_TICK, Tick: &schemas.Tick{}}
	case 2, 3:
		e.Kind, e.Uplinked = schemas.Kind_KIND_UPLINKED, &schemas.Uplinked{Family: 7, Sequence: 1}
	case 4:
		e.Kind, e.Refused = schemas.Kind_KIND_REFUSED, &schemas.Refused{Reason: schemas.Reason_REASON_BAD_TOKEN}
	case 5:
		e.Kind = schemas.Kind(99)
	default: // a body that is missing
		e.Kind = schemas.Kind(1 + l.r.IntN(30))
		if e.Kind == schemas.Kind_KIND_SEALED {
			e.Kind = schemas.Kind_KIND_PUSHED
		}
	}
}
