package hop

import "waybill/schemas"

// connectionEvent appends the row of what happened to a user's device, or to
// somebody who was turned away.
func (r *rows) connectionEvent(e *schemas.Event, at place) {
	switch e.Kind {
	case schemas.Kind_KIND_CONNECTED:
		r.connected(e, at)
	case schemas.Kind_KIND_DISCONNECTED:
		r.disconnected(e, at)
	case schemas.Kind_KIND_REFUSED:
		r.refused(e, at)
	case schemas.Kind_KIND_KICKED:
		c := r.connection(e, at)
		c.reason, c.session = reasonWord(e.Kicked.GetReason()), schemas.IDFrom(e.Kicked.GetSession())
	case schemas.Kind_KIND_SESSION_ENDED:
		c := r.connection(e, at)
		c.reason, c.session = reasonWord(e.SessionEnded.GetReason()), schemas.IDFrom(e.SessionEnded.GetSession())
	case schemas.Kind_KIND_ROUTE_ENDED:
		r.connection(e, at).reason = reasonWord(e.RouteEnded.GetReason())
	}
}

// connection appends what all of them have in common. The pointer is good
// until the next append.
func (r *rows) connection(e *schemas.Event, at place) *connectionRow {
	r.connections = append(r.connections, connectionRow{
		session: schemas.IDFrom(e.Session), trace: schemas.IDFrom(e.TraceId),
		conn: e.Conn(), at: when(e.Time, at), kind: kindWord(e.Kind),
		app: e.App, user: e.User, device: e.Device, node: e.Node, place: at,
	})
	return &r.connections[len(r.connections)-1]
}

func (r *rows) connected(e *schemas.Event, at place) {
	b, c := e.Connected, r.connection(e, at)
	c.how = "resume"
	if b.GetLogin() {
		c.how = "login"
	}
	c.platform, c.version, c.network = b.GetPlatform(), b.GetClientVersion(), b.GetNetwork()
	c.cursor, c.address = b.GetCursor(), b.GetAddress()
	c.install, c.count = schemas.IDFrom(b.GetInstall()), b.GetCount()
}

func (r *rows) disconnected(e *schemas.Event, at place) {
	b, c := e.Disconnected, r.connection(e, at)
	c.reason, c.detail, c.cursor = reasonWord(b.GetReason()), b.GetDetail(), b.GetCursor()
	t := b.GetTraffic()
	c.traffic = traffic{t.GetFramesIn(), t.GetFramesOut(), t.GetBytesIn(), t.GetBytesOut(), t.GetSwallowed()}
}

// refused is found by its user; by its trace id too, if the caller had one.
func (r *rows) refused(e *schemas.Event, at place) {
	b, c := e.Refused, r.connection(e, at)
	c.reason, c.how, c.detail, c.address = reasonWord(b.GetReason()), b.GetWhat(), b.GetDetail(), b.GetAddress()
	if !c.trace.IsZero() {
		r.hop(e, at, rankRefused).reason = c.reason
	}
}
