package sim

import (
	"slices"

	"waybill/schemas"
)

// whole is the index of the push as a whole, beside those of the devices.
const whole = 2

// check reads the log as it grows, and knows what the devices really did.
type check struct {
	w *world
	reader
	ends    [3][]schemas.Class              // by device or whole, then offset
	handled [2][]bool                       // by device, then offset
	ended   []schemas.ID                    // sessions that a decision named
	logins  map[schemas.ID]schemas.Position // where each session's login stands
	newest  [2]schemas.Position             // login of the newest session that a device has had
	late    reader                          // started from a snapshot on the way
	gaps    [2][]schemas.Position

	began      map[schemas.ID]int64 // each session, by its gate's clock
	identified []schemas.ID         // sessions
	left       []schemas.ID         // sessions that were logged out of
	alone      []schemas.Position   // that are said to be unreached

	accepted []schemas.Position    // that have not ended as a whole
	anew     []schemas.Position    // a drawn id under which nothing was open any more
	poisoned [2]map[begun]struct{} // on which connections each device said received
}

// begun: a device said on the connection that its application works on a push.
type begun struct {
	conn *conn
	pos  schemas.Position
}

func newCheck(w *world) *check {
	c := &check{w: w, reader: newReader(), logins: make(map[schemas.ID]schemas.Position), began: make(map[schemas.ID]int64)}
	for i := range c.poisoned {
		c.poisoned[i] = make(map[begun]struct{})
	}
	return c
}

// read takes the newest record of the log.
func (c *check) read() {
	raw := c.w.log[c.next].event
	pos, r, fresh := c.take(c.w)
	if !fresh {
		return
	}
	if c.alive(r.event) {
		c.accept(pos, raw)
		c.decided(raw)
	}
	c.facts(raw)
	before := c.route(raw.Device)
	c.state.Apply(pos, r.at, r.event)
	c.superseded(before, c.route(raw.Device))
	c.noteGivenUp(raw)
	c.revived(pos, raw)
	if err := c.state.CheckInvariants(); err != nil {
		c.w.fail("fold: %v", err)
	}
	if c.w.rnd.IntN(64) == 0 && c.w.projector.asOf > 0 {
		c.late = c.w.projector.load(0)
	}
}

// alive says that the event is no decision of an older term.
func (c *check) alive(e *schemas.Event) bool {
	return e.Term == 0 || schemas.Position(e.Term) == c.state.Term
}

// route of the device, as far as the log says.
func (c *check) route(device string) schemas.ConnID {
	u := c.state.Users[userKey]
	if device == "" || u == nil {
		return schemas.ConnID{}
	}
	if i := u.Device(device); i >= 0 {
		return u.Devices[i].Conn
	}
	return schemas.ConnID{}
}

// superseded: within one install no older connection may replace a newer one.
func (c *check) superseded(before, after schemas.ConnID) {
	if before == after || before.IsZero() || after.IsZero() {
		return
	}
	x, y := c.w.connOf(before).hello.Connected, c.w.connOf(after).hello.Connected
	if schemas.IDFrom(x.Install) == schemas.IDFrom(y.Install) && y.Count < x.Count {
		c.w.fail("%v (count %d) supersedes %v (count %d)", after, y.Count, before, x.Count)
	}
}

// revived: no session comes back that has ended, be it by a newer login of its
// device. Where a session's login stands is known here from the log alone.
func (c *check) revived(pos schemas.Position, e *schemas.Event) {
	if e.Connected == nil {
		return
	}
	session := schemas.IDFrom(e.Session)
	if e.Connected.Login {
		c.logins[session] = pos
	}
	if c.route(e.Device) != e.Conn() {
		return
	}
	at, newest := c.logins[session], &c.newest[c.w.deviceIndex(e.Device)]
	switch {
	case at < *newest:
		c.w.fail("an old ticket is revived: device %s is back with %s of %v, and has logged in at %v", e.Device, short(session), at, *newest)
	case slices.Contains(c.ended, session):
		c.w.fail("an old ticket is revived: device %s is back with %s, which has ended", e.Device, short(session))
	}
	*newest = at
}

func (c *check) decided(e *schemas.Event) {
	switch {
	case e.Kicked != nil:
		c.over(e, e.Kicked.Session)
		if k := c.w.connOf(e.Conn()); k != nil && !k.resumed {
			c.w.fail("kicked by a device that never resumed")
		}
	case e.SessionEnded != nil:
		c.sessionEnded(e)
		c.over(e, e.SessionEnded.Session)
	case e.Unreached != nil:
		c.unreached(e)
	case e.RouteEnded != nil:
		c.w.stats.Reasons[e.RouteEnded.Reason]++
	case e.Released != nil:
		if due := c.w.log[schemas.Position(e.Released.Position).Offset()].event.Pushed.DeliverAt; due > c.w.clock {
			c.w.fail("%v is released before its time", schemas.Position(e.Released.Position))
		}
	case e.Outcome != nil:
		c.w.stats.Reasons[e.Outcome.Reason]++
		pos := schemas.Position(e.Outcome.Position)
		if e.Device != "" {
			c.end(c.w.deviceIndex(e.Device), pos, e.Outcome)
		}
		if e.Device == "" || e.Outcome.Whole {
			c.end(whole, pos, e.Outcome)
			c.endsForAll(pos, e.Outcome)
		}
	}
}

// over: a session has ended, and with it what its device was owed.
func (c *check) over(e *schemas.Event, session []byte) {
	id := schemas.IDFrom(session)
	c.ended = append(c.ended, id)
	u := c.state.Users[userKey]
	if i := u.Device(e.Device); i >= 0 && u.Devices[i].Live && u.Devices[i].Session == id {
		c.gaps[c.w.deviceIndex(e.Device)] = nil
	}
}

func (w *world) connOf(id schemas.ConnID) *conn {
	for _, c := range w.conns {
		if c.number != 0 && c.id() == id {
			return c
		}
	}
	return nil
}

func (w *world) deviceIndex(name string) int { return int(name[0] - 'a') }

func (w *world) called(who int) string {
	if who == whole {
		return "the push as a whole"
	}
	return "device " + w.devices[who].name
}
