package gate

import (
	"errors"
	"strings"

	"waybill/internal/wire"
	"waybill/schemas"
)

// entry is a login or resume on its way into the log.
type entry struct {
	request   wire.Header
	answer    *schemas.Welcome
	ticket    *schemas.Ticket
	connected *schemas.Event

	// Commands that wait behind the answer, and their bytes.
	waiting []*schemas.Command
	bytes   int
}

// login says that it begins a session.
func (in *entry) login() bool { return in.request.Command == wire.CmdLogin }

// handleEntry takes a login or a resume, unless nobody may log in now.
func (c *conn) handleEntry(h wire.Header, body []byte) {
	switch no := c.gate.stale(); {
	case no != nil:
		c.entry = &entry{request: h}
		c.refuseLogin(no)
	case h.Command == wire.CmdLogin:
		c.handleLogin(h, body)
	default:
		c.handleResume(h, body)
	}
}

// handleLogin begins a session. The ticket that it will be resumed with is made
// from the token, which is not needed any more afterwards.
func (c *conn) handleLogin(h wire.Header, body []byte) {
	var m schemas.Login
	if err := m.UnmarshalVT(body); err != nil {
		c.fault(badBody("login", err))
		return
	}
	who, no := c.gate.tokens.verify(m.Token)
	if no != nil {
		c.entry = &entry{request: h}
		c.refuseLogin(no)
		return
	}
	now := c.gate.now()
	session := schemas.NewID(now)
	in := &entry{request: h, ticket: &schemas.Ticket{
		App: who.app, User: who.user, Device: who.device,
		Session: session[:], SessionTime: c.gate.begins(who.identity, session, now), TokenExpires: who.expires,
	}}
	if c.enter(in, m.Hello) {
		c.identify(m.Identifies)
	}
}

// handleResume goes on with the session that the ticket names. Whether that has
// ended meanwhile is delivery's to say: it kicks.
func (c *conn) handleResume(h wire.Header, body []byte) {
	var m schemas.Resume
	if err := m.UnmarshalVT(body); err != nil {
		c.fault(badBody("resume", err))
		return
	}
	ticket, no := c.gate.openTicket(m.Ticket)
	if no != nil {
		c.entry = &entry{request: h}
		c.refuseLogin(no)
		return
	}
	if c.enter(&entry{request: h, ticket: ticket}, m.Hello) {
		c.reportConnected()
	}
}

// openTicket judges a ticket without asking anybody.
func (g *Gate) openTicket(sealed []byte) (*schemas.Ticket, *refusal) {
	t, err := g.tickets.open(sealed)
	if err != nil {
		return nil, &refusal{reason: schemas.Reason_REASON_BAD_TICKET, detail: err.Error()}
	}
	now := g.now().UnixMicro()
	switch {
	case t.Expires <= now:
		return nil, refuseTicket(t, schemas.Reason_REASON_TICKET_EXPIRED)
	case t.TokenExpires != 0 && t.TokenExpires <= now:
		return nil, refuseTicket(t, schemas.Reason_REASON_TOKEN_EXPIRED)
	}
	if no := g.revoked(identity{t.App, t.User, t.Device}, schemas.IDFrom(t.Session), t.SessionTime); no != nil {
		return nil, no
	}
	return t, nil
}

// refuseTicket turns away somebody who is known by the ticket.
func refuseTicket(t *schemas.Ticket, r schemas.Reason) *refusal {
	return &refusal{reason: r, detail: r.Explain(), who: &identity{t.App, t.User, t.Device}}
}

// enter puts the connection into the table; it is false where the device said too
// little. Then its connected is reported, and the device is answered when the log
// has that: see entryLogged.
func (c *conn) enter(in *entry, hello *schemas.Hello) bool {
	if err := checkHello(hello); err != nil {
		c.fault(badBody(wire.SessionCommand(in.request.Command), err))
		return false
	}
	t, limits := in.ticket, c.gate.limits(hello.Limits)
	c.who, c.session, c.install = identity{t.App, t.User, t.Device}, schemas.IDFrom(t.Session), schemas.IDFrom(hello.Install)
	c.began = t.SessionTime
	c.gap, c.acks, c.zstd = NewGap(hello.Cursor), newAcks(hello.Cursor), hello.Zstd
	c.until = c.gate.until(t.TokenExpires)
	in.answer = &schemas.Welcome{
		Session: t.Session, Heartbeat: c.gate.cfg.Heartbeat.Milliseconds(), Limits: limits, Zstd: true,
	}
	c.entry, c.state, c.number = in, stateEntering, c.gate.numbers.Add(1)
	c.extend(c.gate.cfg.LoginTimeout)
	c.gate.table.put(c)
	c.gate.places.has(c.who.app)
	in.connected = c.event(schemas.Kind_KIND_CONNECTED)
	in.connected.Connected = &schemas.Connected{
		Login: in.login(), LoginAt: t.Login, Platform: clip(hello.Platform, maxWord), ClientVersion: clip(hello.ClientVersion, maxWord), Network: clip(hello.Network, maxWord),
		Limits: limits, Cursor: hello.Cursor, Install: hello.Install, Count: hello.Count,
		Address: c.peer.String(), Compression: hello.Zstd, SessionTime: t.SessionTime,
	}
	return true
}

// reportConnected hands the login to the log.
func (c *conn) reportConnected() {
	if err := c.gate.cfg.Facts.Report(c.entry.connected, nil, true, c.entryLogged); err != nil {
		c.refuseLogin(busy())
		return
	}
	c.entered = true
}

// entryLogged answers the login, then writes what waited behind the answer. Where
// a login stands in the log is the session's name, and goes into its ticket.
func (c *conn) entryLogged(pos schemas.Position, err error) {
	c.lock()
	defer c.unlock()
	if c.state != stateEntering {
		return
	}
	if err != nil {
		c.refuseLogin(busy())
		return
	}
	in := c.entry
	if in.login() {
		in.ticket.Login = uint64(pos)
	}
	c.state, c.entry = stateLive, nil
	c.extend(c.silence())
	if c.until < c.deadline {
		c.gate.wheel.move(c, c.until)
	}
	if err := c.gate.welcome(in); err != nil {
		c.close(schemas.Reason_REASON_BUSY, err.Error())
		return
	}
	c.out.B = wire.AppendResponse(c.out.B, in.request, 0, encode(in.answer))
	c.wrote()
	c.obeyAll(in.waiting)
}

// welcome completes the answer: a fresh ticket, and where to go next time.
func (g *Gate) welcome(in *entry) (err error) {
	in.ticket.Expires = g.now().Add(ticketLife).UnixMicro()
	in.answer.Address, in.answer.Others = g.Advertised(), g.peers.others()
	in.answer.Ticket, err = g.tickets.seal(in.ticket)
	return err
}

// refuseLogin answers the login on its way with a reason, then closes.
func (c *conn) refuseLogin(no *refusal) {
	if c.entry != nil {
		c.respond(c.entry.request, no.body())
	}
	if no.who != nil && c.gate.refusals.allow(no.who, c.gate.now()) {
		c.reportRefused(no)
	}
	c.close(no.reason, no.detail)
}

// limits are the smaller of what device and gate can do.
func (g *Gate) limits(asked *schemas.Limits) *schemas.Limits {
	return &schemas.Limits{
		MaxFrame: least(asked.GetMaxFrame(), g.cfg.MaxFrame),
		Window:   least(asked.GetWindow(), g.cfg.Window),
	}
}

// least takes 0 for "the gate's default".
func least(asked, granted uint32) uint32 {
	if asked == 0 {
		return granted
	}
	return min(asked, granted)
}

// checkHello asks for what delivery cannot do without: who counts.
func checkHello(h *schemas.Hello) error {
	if h == nil {
		return errors.New("hello is missing")
	}
	if len(h.Install) != len(schemas.ID{}) {
		return errors.New("install must have 16 bytes")
	}
	return nil
}

// maxWord bounds, in bytes, what a device says of itself: words for support,
// nothing more.
const maxWord = 64

// clip cuts a text to so many bytes, never within a character.
func clip(s string, most int) string {
	return strings.ToValidUTF8(s[:min(len(s), most)], "")
}
