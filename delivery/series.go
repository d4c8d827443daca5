package delivery

import (
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// series writes to the device's connection what the device is owed, in order,
// from the connection's base: each write names its position and the one
// before. After a takeover, or after its gate's lease has come back, the whole
// series is said again; the gate swallows what it has forwarded.
// It returns when the connection's ack timer runs out; 0 = not at all, or it did
// and is in doubt.
func (c *Core) series(u *mailbox.User, w *userWork, i int) (timer int64) {
	d, s := &u.Devices[i], w.seriesOf(i)
	if !d.Connected() || !c.gates.Usable(d.Conn) || w.closed[d.Conn] {
		s.conn = schemas.ConnID{}
		return 0
	}
	if s.conn != d.Conn {
		*s = series{conn: d.Conn, prev: d.Base, at: d.Base, resumed: d.Resumed, way: c.wayTo(d.Conn.Gate)}
	}
	if timer = c.ackDue(u, i); timer > 0 && timer <= c.now {
		if timer <= c.proved {
			c.close(w, &mailbox.Closing{Device: d.Name, Conn: d.Conn, Reason: schemas.Reason_REASON_ACK_TIMEOUT})
			return 0
		}
		c.noteDoubt(w)
		timer = 0
	}
	if d.Adopt != 0 && !s.adopted && !d.Resumed && c.mayWrite(w, s) {
		s.adopted = true
		c.resumed(u, s, i, d.Base, &schemas.Gap{Reason: d.Adopt, To: uint64(d.Base), Adopt: true})
	}
	if c.writePushes(u, w, i) && !s.resumed && c.mayWrite(w, s) {
		c.resume(u, s, i)
	}
	return timer
}

// mayWrite says whether the way to the series' gate takes one more. If not, the
// series goes on from where it stands when it does.
func (c *Core) mayWrite(w *userWork, s *series) bool {
	if c.full(s.way) {
		c.hold(s.way, w)
		return false
	}
	return true
}

// writePushes writes what fits the window; false where something holds back
// the rest.
func (c *Core) writePushes(u *mailbox.User, w *userWork, i int) bool {
	d, s := &u.Devices[i], &w.series[i]
	flying, window := 0, c.window(d)
	for _, p := range u.Unswept(i) {
		if i >= len(p.Copies) {
			continue
		}
		cp := &p.Copies[i]
		if !cp.Open() || cp.Acked || p.Pos <= d.Base {
			continue
		}
		if p.Pos > d.ResumeAt && !s.resumed {
			if !c.mayWrite(w, s) {
				return false
			}
			c.resume(u, s, i)
		}
		if c.heldBack(p, cp) {
			if c.faults.NoHoldBack {
				continue
			}
			return false
		}
		if flying == 0 && cp.Tries >= narrowAfter {
			window = 1
		}
		if flying++; flying > window || c.late(d, p) && p.Pos > s.at {
			return false
		}
		if p.Pos > s.at {
			if !c.mayWrite(w, s) {
				return false
			}
			c.push(u, s, p, i)
		}
	}
	return true
}

// late: the push must not be sent to the device any more. A route that began after
// the ttl gets nothing whatever the time is here: what was read may be stamped by a
// clock that is behind the one that stamped the route's beginning.
func (c *Core) late(d *mailbox.Device, p *mailbox.Push) bool {
	return c.now > p.Dead || d.Since > p.Dead && !c.faults.SendsLate
}

func (c *Core) window(d *mailbox.Device) int {
	if d.Window > 0 {
		return int(min(d.Window, 1024))
	}
	return c.set.Window
}

// heldBack: a push that ends undelivered holds back all later ones of its
// device until its outcome has been read back.
func (c *Core) heldBack(p *mailbox.Push, cp *mailbox.Copy) bool {
	return c.ending(cp) || c.endsUndelivered(p)
}

func (c *Core) push(u *mailbox.User, s *series, p *mailbox.Push, i int) {
	cp, again := &p.Copies[i], c.dispatched(p, &p.Copies[i])
	wk := c.worked(cp)
	if wk.Conn != s.conn {
		wk.Attempt, wk.Conn = nextAttempt(cp, wk, s.conn), s.conn
	}
	m := c.command(u, schemas.CommandKind_COMMAND_KIND_PUSH, i, s)
	m.TraceId, m.ParentSpan = p.Trace[:], span(p)
	m.Position, m.Expires, m.Attempt, m.Again = uint64(p.Pos), p.Dead, wk.Attempt, again
	m.PushId, m.Family, m.Command, m.Body = p.ID[:], p.Family, p.Command, p.Body
	wk.Dispatched = true
	c.write(s, m)
}

// nextAttempt counts connections: one that a gate reported on this very
// connection keeps its number.
func nextAttempt(cp *mailbox.Copy, wk *mailbox.Work, conn schemas.ConnID) uint32 {
	if cp.Attempt > 0 && cp.AttemptConn == conn {
		return cp.Attempt
	}
	return max(cp.Attempt, wk.Attempt) + 1
}

// resume says that the replay is complete up to the connection's connected, or
// which gap it has.
func (c *Core) resume(u *mailbox.User, s *series, i int) {
	d := &u.Devices[i]
	s.resumed = true
	if c.silent {
		return
	}
	var gap *schemas.Gap
	if d.GapTo > 0 && d.GapFrom < d.ResumeAt {
		gap = &schemas.Gap{Reason: schemas.Reason_REASON_OVERFLOW, From: uint64(d.GapFrom), To: uint64(min(d.GapTo, d.ResumeAt))}
	}
	c.resumed(u, s, i, d.ResumeAt, gap)
}

func (c *Core) resumed(u *mailbox.User, s *series, i int, pos schemas.Position, gap *schemas.Gap) {
	m := c.command(u, schemas.CommandKind_COMMAND_KIND_RESUMED, i, s)
	m.Position, m.Gap = uint64(pos), gap
	c.write(s, m)
}

// write puts the command out as the next of the series.
func (c *Core) write(s *series, m *schemas.Command) {
	m.Previous = uint64(s.prev)
	s.prev = schemas.Position(m.Position)
	s.at = max(s.at, s.prev)
	s.way.said++
	s.way.bytes += len(m.Body)
	c.commands = append(c.commands, m)
}

func (c *Core) command(u *mailbox.User, kind schemas.CommandKind, i int, s *series) *schemas.Command {
	m := c.lent.command()
	m.Kind, m.App, m.User, m.Device, m.Term = kind, u.App, u.Name, u.Devices[i].Name, uint64(c.term)
	m.SetConn(s.conn)
	return m
}

// closeAll says of each closing connection that it must go.
func (c *Core) closeAll(u *mailbox.User, w *userWork) {
	for i := range u.Closing {
		c.close(w, &u.Closing[i])
	}
	if len(w.closed) > len(u.Closing)+len(u.Devices) {
		c.forgetClosed(u, w)
	}
}

// forgetClosed: what neither is closing nor carries a route is over.
func (c *Core) forgetClosed(u *mailbox.User, w *userWork) {
	for conn := range w.closed {
		live := slices.ContainsFunc(u.Closing, func(x mailbox.Closing) bool { return x.Conn == conn })
		for i := range u.Devices {
			live = live || u.Devices[i].Conn == conn
		}
		if !live {
			delete(w.closed, conn)
		}
	}
}

func (c *Core) close(w *userWork, x *mailbox.Closing) {
	if w.closed[x.Conn] || c.gates.Replaced(x.Conn) {
		return
	}
	to := c.wayTo(x.Conn.Gate)
	if c.full(to) {
		c.hold(to, w)
		return
	}
	to.said++
	if w.closed == nil {
		w.closed = make(map[schemas.ConnID]bool)
	}
	w.closed[x.Conn] = true
	if c.silent {
		return
	}
	m := c.lent.command()
	m.Kind, m.App, m.User, m.Device = schemas.CommandKind_COMMAND_KIND_CLOSE, w.user.App, w.user.Name, x.Device
	m.Term, m.Reason, m.After = uint64(c.term), x.Reason, x.After
	m.SetConn(x.Conn)
	c.commands = append(c.commands, m)
}
