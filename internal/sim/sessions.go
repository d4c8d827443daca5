package sim

import (
	"slices"

	"waybill/internal/control"
	"waybill/schemas"
)

// revoke ends all sessions of the user, or those of one device, that have begun
// by now. Gates and workers hear of it, each in its time.
func (w *world) revoke() {
	r := control.Revocation{App: app, User: user, Before: w.clock, Reason: schemas.Reason_REASON_REVOKED}
	whose := "the user"
	if w.rnd.IntN(2) == 0 {
		r.Device = w.someDevice().name
		whose = "device " + r.Device
	}
	w.clock += tick
	w.revocations = append(w.revocations, r)
	w.say("the sessions of %s are revoked", whose)
}

// covered says that one of the revocations is about the session.
func covered(all []control.Revocation, device string, t ticket) bool {
	return slices.ContainsFunc(all, func(r control.Revocation) bool {
		return r.Covers(app, user, device, t.session, t.began)
	})
}

// readRevocations: a gate that hears of one closes its connections.
func (g *gateLife) readRevocations() bool {
	if g.still() || g.heard == len(g.w.revocations) {
		return false
	}
	g.heard = len(g.w.revocations)
	for _, c := range slices.Clone(g.table) {
		if g.refuses(c) {
			c.close(schemas.Reason_REASON_REVOKED)
		}
	}
	return true
}

// refuses says that the gate knows the connection's session to be revoked.
func (g *gateLife) refuses(c *conn) bool {
	return covered(g.w.revocations[:g.heard], c.dev.name, c.ticket)
}

// turnAway a ticket: nothing is reported, the connection was never in the table.
func (c *conn) turnAway() {
	c.gate.w.say("gate %d turns device %s away: revoked", c.gate.number, c.dev.name)
	c.down = append(c.down, frame{kind: closed, reason: schemas.Reason_REASON_REVOKED})
}

// identify: the device, anonymous until now, logs in as a person, who is not of
// this simulation. Its gate says so of the session; the device is gone for good,
// or for as long as nobody is anonymous on it.
func (d *device) identify(g *gateLife) {
	if d.session.IsZero() || g.still() {
		return
	}
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_IDENTIFIED, App: app, User: user, Device: d.name, Session: slices.Clone(d.session[:]), Time: d.w.clock,
	}
	e.Identified = &schemas.Identified{Session: e.Session}
	g.out.add(fact{event: e})
	d.w.say("device %s logs in as a person at gate %d: session %s is identified", d.name, g.number, short(d.session))
	d.drop()
	d.stay, d.ticket = true, ticket{}
}
