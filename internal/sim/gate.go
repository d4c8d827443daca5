package sim

import (
	"slices"

	"waybill/gate"
	"waybill/schemas"
)

const gates = 2 // numbers 1 and 2

// gateLife is one incarnation of a gate.
type gateLife struct {
	w           *world
	number      uint32
	incarnation uint64
	out         producer
	table       []*conn
	count       uint64 // connections so far
	at          int    // next command
	gates       int    // next record of the gates topic
	heard       int    // of the revocations
	paused      bool   // SIGSTOP
	stopped     bool   // ... since its newest sign
	signed      int64  // when that was
	woken       sign   // the first one after it had been stopped for a while
	exited      bool
}

// conn is one connection: both ends and what is on the way between them.
type conn struct {
	number uint64 // 0 before its login
	gate   *gateLife
	dev    *device
	hello  *schemas.Event // its connected
	ticket ticket         // that it came with, or was given
	gap    gate.Gap
	acks   acks

	inTable, logged, answered bool
	waiting                   []*schemas.Command // until the login is answered
	up                        []upFrame          // from the device
	down                      []frame            // to the device
	devGone, aborted          bool               // the peer is gone, as either end sees it
	resumed                   bool               // the device has read its resumed
	after                     int64              // said with its close
	givenUp                   []schemas.Position // poison when it connected, as far as the log says
}

// acks is what the device said and what of it is in the log, as the gate
// keeps it: one report under way, newer words overwrite.
type acks struct {
	cursor, received, logged, loggedReceived uint64
	flying                                   bool
}

func (a *acks) owed() bool { return a.cursor != a.logged || a.received != a.loggedReceived }

func (w *world) newGate(n uint32) {
	w.toGates(n, &schemas.Event{Kind: schemas.Kind_KIND_STARTED, Gate: n, Started: &schemas.Started{Lease: lease.Milliseconds()}})
	g := &gateLife{w: w, number: n, out: w.producer(), at: len(w.dispatch[n-1]), gates: len(w.gatesTopic), heard: len(w.revocations)}
	g.incarnation, g.signed = uint64(position(len(w.gatesTopic)-1)), w.clock
	w.lives = append(w.lives, g)
	w.current[n-1] = g
	w.say("gate %d starts, incarnation %d", n, g.incarnation)
}

func (w *world) toGates(key uint32, e *schemas.Event) {
	w.clock += tick
	w.gatesTopic = append(w.gatesTopic, gateRecord{w.clock - w.behind, key, e})
}

// sign is a record of the gates topic.
type sign struct {
	index int
	at    int64
}

// sign renews the lease.
func (g *gateLife) sign() {
	defer g.signedNow()
	g.w.toGates(g.number, &schemas.Event{
		Kind: schemas.Kind_KIND_ALIVE, Gate: g.number, Incarnation: g.incarnation, Alive: &schemas.Alive{Lease: lease.Milliseconds()},
	})
}

// signedNow notes that the newest record of the topic is its sign.
func (g *gateLife) signedNow() {
	if g.stopped && g.w.clock-g.signed > lease.Microseconds() {
		g.woken = sign{len(g.w.gatesTopic) - 1, g.w.clock}
	}
	g.stopped, g.signed = false, g.w.clock
}

func (g *gateLife) still() bool { return g.paused || g.exited }

func (g *gateLife) conn(m *schemas.Command) *conn {
	for _, c := range g.table {
		if c.number == m.Connection {
			return c
		}
	}
	return nil
}

func (c *conn) id() schemas.ConnID {
	return schemas.ConnID{Gate: c.gate.number, Incarnation: c.gate.incarnation, Number: c.number}
}

func (c *conn) event(kind schemas.Kind) *schemas.Event {
	e := &schemas.Event{Kind: kind, App: app, User: user, Device: c.dev.name, Session: c.hello.Session, Time: c.gate.w.clock}
	e.SetConn(c.id())
	return e
}

// command obeys the next record of the gate's partition of dispatch.
func (g *gateLife) command() bool {
	topic := g.w.dispatch[g.number-1]
	if g.still() || g.at >= len(topic) {
		return false
	}
	m := topic[g.at]
	g.at++
	if m.Incarnation != g.incarnation && !g.w.off.has(IncarnationInID) {
		if m.Incarnation < g.incarnation && g.w.bounceOlder {
			g.bounce(m)
		}
		return true
	}
	if c := g.conn(m); c != nil {
		c.obey(m)
	} else {
		g.bounce(m)
	}
	return true
}

// bounce says that the connection is gone. A close needs no answer.
func (g *gateLife) bounce(m *schemas.Command) {
	if m.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE {
		return
	}
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_BOUNCED, App: app, User: user, Device: m.Device, Time: g.w.clock,
		Bounced: &schemas.Bounced{Reason: schemas.Reason_REASON_UNKNOWN_CONNECTION, Attempt: m.Attempt, Dispatched: m.Time},
	}
	e.SetConn(m.Conn())
	if m.Kind == schemas.CommandKind_COMMAND_KIND_PUSH {
		e.Bounced.Position = m.Position
	}
	g.out.add(fact{event: e})
}

func (c *conn) obey(m *schemas.Command) {
	switch {
	case m.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE:
		c.after = m.After
		c.close(m.Reason)
	case !c.answered:
		c.waiting = append(c.waiting, m)
	default:
		c.write(m)
	}
}

func (c *conn) write(m *schemas.Command) {
	w := c.gate.w
	verdict := c.gap.Check(m)
	if verdict == gate.Hole && w.off.has(GapCheck) {
		c.gap = gate.NewGap(m.Position)
		verdict = gate.Write
	}
	switch verdict {
	case gate.Swallow:
		w.stats.Swallowed++
		return
	case gate.Hole:
		w.stats.Holes++
		c.close(schemas.Reason_REASON_GAP)
		return
	}
	if w.show {
		w.say("gate %d writes %s", c.gate.number, command(m))
	}
	if m.Gap.GetAdopt() {
		c.acks = acks{}
	}
	w.check.written(c, m)
	c.down = append(c.down, frameOf(m))
	w.check.inFlight(c)
	if m.Kind == schemas.CommandKind_COMMAND_KIND_PUSH && (w.calm || w.rnd.IntN(12) > 0) {
		e := c.event(schemas.Kind_KIND_SENT)
		e.Sent = &schemas.Sent{Position: m.Position, Attempt: m.Attempt, Dispatched: m.Time}
		c.gate.out.add(fact{event: e})
	}
}

// close takes the connection out of the table and reports its end, once.
func (c *conn) close(reason schemas.Reason) {
	c.gate.w.say("gate %d closes %v: %s", c.gate.number, c.id(), reason.Word())
	c.down = append(c.down, frame{kind: closed, reason: reason, after: c.after})
	c.leave(reason)
}

// drop ends a connection that cannot be told; frames on the way are lost.
func (c *conn) drop(reason schemas.Reason) {
	c.gate.w.say("gate %d drops %v: %s", c.gate.number, c.id(), reason.Word())
	c.down, c.aborted = c.down[:c.gate.w.rnd.IntN(len(c.down)+1)], true
	c.leave(reason)
}

func (c *conn) leave(reason schemas.Reason) {
	g := c.gate
	g.w.stats.Reasons[reason]++
	g.table = slices.DeleteFunc(g.table, func(x *conn) bool { return x == c })
	c.inTable, c.waiting = false, nil
	e := c.event(schemas.Kind_KIND_DISCONNECTED)
	e.Disconnected = &schemas.Disconnected{Reason: reason}
	if c.acks.owed() {
		e.Disconnected.Cursor, e.Disconnected.Received = c.acks.cursor, c.acks.received
	}
	g.out.add(fact{event: e})
}

// receive takes one thing that the connection has for its gate: the log's word
// that the login stands, a frame, or the end.
func (c *conn) receive() bool {
	switch {
	case c.gate.still():
		return false
	case c.inTable && c.logged && !c.answered:
		c.answer()
	case len(c.up) > 0:
		f := c.up[0]
		c.up = c.up[1:]
		f.to(c)
	case c.devGone && c.inTable:
		c.leave(schemas.Reason_REASON_PEER_CLOSED)
	default:
		return false
	}
	return true
}

func (c *conn) answer() {
	c.answered = true
	c.down = append(c.down, frame{kind: welcome})
	waiting := c.waiting
	c.waiting = nil
	for _, m := range waiting {
		if c.inTable {
			c.write(m)
		}
	}
}

// enter puts the connection into the table, then reports it.
func (c *conn) enter() {
	g := c.gate
	if g.refuses(c) {
		c.turnAway()
		return
	}
	g.count++
	c.number = g.count
	c.inTable = true
	g.table = append(g.table, c)
	c.hello.SetConn(c.id())
	if c.hello.Connected.Login {
		g.w.sessions++
		s := number('s', g.w.sessions)
		c.hello.Session, c.ticket.session, c.ticket.began = s[:], s, g.w.clock
	}
	c.hello.Connected.SessionTime = c.ticket.began
	if !c.hello.Connected.Login && g.w.off.has(TicketNamesLogin) {
		c.hello.Connected.LoginAt = uint64(position(len(g.w.log) - 1)) // this resume
	}
	cursor := c.hello.Connected.Cursor
	c.gap, c.acks = gate.NewGap(cursor), acks{cursor: cursor, logged: cursor}
	g.out.add(fact{c.hello, c})
}

// acknowledge notes what the device says; a cursor beyond what was written is
// none.
func (c *conn) acknowledge(cursor, received uint64) {
	if !c.inTable || cursor > c.gap.Last() || received > c.gap.Last() || cursor < c.acks.cursor {
		return
	}
	c.acks.cursor, c.acks.received = cursor, received
	if received <= cursor {
		c.acks.received = 0
	}
	c.reportAck()
}

func (c *conn) reportAck() {
	if c.acks.flying || !c.acks.owed() {
		return
	}
	e := c.event(schemas.Kind_KIND_ACKED)
	e.Acked = &schemas.Acked{Cursor: c.acks.cursor, Received: c.acks.received}
	c.acks.flying = true
	c.gate.out.add(fact{e, c})
}

func (c *conn) ackLogged(a *schemas.Acked) {
	c.acks.flying = false
	if c.inTable {
		c.acks.logged, c.acks.loggedReceived = a.Cursor, a.Received
		c.reportAck()
	}
}

// readGates: a gate that reads a newer started of its number closes
// everything and exits.
func (g *gateLife) readGates() bool {
	if g.still() || g.gates >= len(g.w.gatesTopic) {
		return false
	}
	r := g.w.gatesTopic[g.gates]
	newer := r.key == g.number && r.event.Kind == schemas.Kind_KIND_STARTED
	g.gates++
	if newer {
		g.closeAll(schemas.Reason_REASON_GATE_REPLACED)
		g.exited = true
	}
	return true
}

func (g *gateLife) closeAll(reason schemas.Reason) {
	for len(g.table) > 0 {
		g.table[0].close(reason)
	}
}

// jump: the gate fell behind the retention of its commands.
func (g *gateLife) jump() {
	if end := len(g.w.dispatch[g.number-1]); !g.still() && g.at < end {
		g.at = end
		g.closeAll(schemas.Reason_REASON_DISPATCH_JUMP)
	}
}

func (g *gateLife) kill() {
	g.exited = true
	g.out.lose(g.w)
	g.w.say("gate %d (incarnation %d): kill -9", g.number, g.incarnation)
}
