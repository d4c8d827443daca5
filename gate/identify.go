package gate

import "waybill/schemas"

// identify ends the session that the device had before a person logged in on it,
// then reports the login. The answer to a login so says both: the device drops
// the anonymous ticket when it comes.
func (c *conn) identify(ticket []byte) {
	e := c.gate.identified(ticket, c.who)
	if e == nil {
		c.reportConnected()
		return
	}
	if err := c.gate.cfg.Facts.Report(e, nil, true, c.identifiedLogged); err != nil {
		c.refuseLogin(busy())
	}
}

// identifiedLogged goes on with the login.
func (c *conn) identifiedLogged(_ schemas.Position, err error) {
	c.lock()
	defer c.unlock()
	switch {
	case c.state != stateEntering:
	case err != nil:
		c.refuseLogin(busy())
	default:
		c.reportConnected()
	}
}

// identified is the fact that an anonymous session goes on as who's; nil where
// there is none: no ticket, or not one of the same device without a person. Its
// age does not matter, since it lets nobody in.
func (g *Gate) identified(ticket []byte, who identity) *schemas.Event {
	if len(ticket) == 0 {
		return nil
	}
	t, err := g.tickets.open(ticket)
	if err != nil || who == who.nobody() || (identity{t.App, t.User, t.Device}) != who.nobody() {
		g.metrics.strangers.Add(1)
		return nil
	}
	return &schemas.Event{
		Kind: schemas.Kind_KIND_IDENTIFIED, App: t.App, User: t.User, Device: t.Device, Session: t.Session,
		Time: g.now().UnixMicro(), Identified: &schemas.Identified{Session: t.Session},
	}
}
