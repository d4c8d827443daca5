package gate

import (
	"cmp"
	"fmt"
	"slices"

	"waybill/internal/wire"
	"waybill/schemas"
)

// obeyer does what a batch of commands says: all commands of one connection
// under one lock and in one write. One goroutine uses it.
type obeyer struct {
	gate  *Gate
	order []numbered
	cmds  []*schemas.Command
}

type numbered struct {
	connection uint64
	index      int
	cmd        *schemas.Command
}

// add takes one command of the batch.
func (o *obeyer) add(cmd *schemas.Command) {
	g, own := o.gate, o.gate.incarnation.Load()
	switch {
	case cmd.Gate != g.cfg.Number, cmd.Incarnation != own:
		// Not ours to answer: a bounce would end the route of another life of this
		// gate. That there is a newer one is for waybill.gates to say, and our own
		// `started` ends the routes of the older ones.
		g.metrics.misdirected.Add(1)
	default:
		o.order = append(o.order, numbered{cmd.Connection, len(o.order), cmd})
	}
}

// run obeys what was added, in the order of the log for each connection.
func (o *obeyer) run() {
	slices.SortFunc(o.order, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.connection, b.connection), cmp.Compare(a.index, b.index))
	})
	for i := 0; i < len(o.order); {
		n := o.order[i].connection
		o.cmds = o.cmds[:0]
		for ; i < len(o.order) && o.order[i].connection == n; i++ {
			o.cmds = append(o.cmds, o.order[i].cmd)
		}
		o.gate.obey(n, o.cmds)
	}
	clear(o.order)
	clear(o.cmds)
	o.order = o.order[:0]
}

// obey finds the connection. Between finding and locking it may end: then it
// says so itself, and the commands bounce as if it had not been found.
func (g *Gate) obey(number uint64, cmds []*schemas.Command) {
	if c := g.table.get(number); c == nil || !c.obey(cmds) {
		for _, cmd := range cmds {
			g.bounce(cmd)
		}
	}
}

// bounce says that the gate does not hold the connection, which ends its route.
// A close needs no answer: it is closed. A bounce that the log refuses is left
// out, since the connection's own disconnected is owed.
func (g *Gate) bounce(cmd *schemas.Command) {
	if cmd.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE {
		return
	}
	g.metrics.bounces.Add(1)
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_BOUNCED, TraceId: cmd.TraceId, ParentSpan: cmd.ParentSpan,
		App: cmd.App, User: cmd.User, Device: cmd.Device, Session: cmd.Session, Time: g.now().UnixMicro(),
		Bounced: &schemas.Bounced{Reason: schemas.Reason_REASON_UNKNOWN_CONNECTION, Attempt: cmd.Attempt, Dispatched: cmd.Time, DispatchedBy: cmd.Node},
	}
	e.SetConn(cmd.Conn())
	if cmd.Kind == schemas.CommandKind_COMMAND_KIND_PUSH {
		e.Bounced.Position, e.Bounced.PushId = cmd.Position, cmd.PushId
	}
	_ = g.cfg.Facts.Report(e, nil, false, nil)
}

// obey does what the commands say, or says that the connection is gone. The
// slice is changed.
func (c *conn) obey(cmds []*schemas.Command) bool {
	c.lock()
	defer c.unlock()
	switch c.state {
	case stateEntering:
		c.wait(cmds)
	case stateLive:
		c.obeyAll(cmds)
	default:
		return false
	}
	return true
}

// wait keeps commands until the login is answered. A close waits for nothing.
func (c *conn) wait(cmds []*schemas.Command) {
	for _, cmd := range cmds {
		if cmd.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE {
			c.bid(ordered(cmd))
			return
		}
		if c.entry.bytes += len(cmd.Body) + wire.HeaderSize; c.entry.bytes > c.gate.cfg.Queue {
			c.drop(schemas.Reason_REASON_QUEUE_FULL)
			return
		}
		c.entry.waiting = append(c.entry.waiting, cloned(cmd))
	}
}

// cloned has memory of its own: the original shares that of its whole fetch.
func cloned(cmd *schemas.Command) *schemas.Command {
	c := new(schemas.Command)
	if err := c.UnmarshalVT(encode(cmd)); err != nil {
		panic(fmt.Sprintf("decode a command just encoded: %v", err))
	}
	return c
}

// obeyAll writes what the gap rule lets pass. The pushes are reported as sent
// once the socket has them, before any ack or end of the connection can be.
func (c *conn) obeyAll(cmds []*schemas.Command) {
	sent := cmds[:0]
	for _, cmd := range cmds {
		if c.state != stateLive {
			break
		}
		if c.obeyOne(cmd) && cmd.Kind == schemas.CommandKind_COMMAND_KIND_PUSH {
			sent = append(sent, cmd)
		}
	}
	if c.flush() && len(sent) > 0 {
		c.reportSent(sent)
	}
}

// obeyOne says whether it wrote the command's frame.
func (c *conn) obeyOne(cmd *schemas.Command) bool {
	switch cmd.Kind {
	case schemas.CommandKind_COMMAND_KIND_CLOSE:
		c.bid(ordered(cmd))
		return false
	case schemas.CommandKind_COMMAND_KIND_PUSH, schemas.CommandKind_COMMAND_KIND_RESUMED:
	default:
		c.gate.metrics.misdirected.Add(1) // of a later version
		return false
	}
	switch c.gap.Check(cmd) {
	case Swallow:
		c.traffic.swallowed++
		c.gate.metrics.swallowed.Add(1)
		return false
	case Hole:
		c.gate.metrics.gaps.Add(1)
		c.close(schemas.Reason_REASON_GAP, "")
		return false
	}
	c.write(cmd)
	return true
}

// write appends the frame of a command that the gap rule let pass.
func (c *conn) write(cmd *schemas.Command) {
	if cmd.Kind == schemas.CommandKind_COMMAND_KIND_RESUMED {
		c.writeResumed(cmd)
	} else {
		c.writePush(cmd)
	}
	c.wrote()
}

// writeResumed says that the replay is complete, or where it has a gap. With
// adopt the device goes back to this position, so its next cursor is news even
// if it is lower than the one in `connected`.
func (c *conn) writeResumed(cmd *schemas.Command) {
	if cmd.Gap.GetAdopt() {
		c.acks.adopt()
	}
	h := wire.Header{Command: wire.CmdResumed, Trace: schemas.IDFrom(cmd.TraceId)}
	c.out.B = wire.AppendPush(c.out.B, h, wire.PushPrefix{Position: cmd.Position}, encode(&schemas.Resumed{Gap: cmd.Gap}))
}

// writePush appends a push: the body as it is, or compressed where the device
// takes that and it becomes smaller. The caller's command is only read.
func (c *conn) writePush(cmd *schemas.Command) {
	h := wire.Header{Family: uint16(cmd.Family), Command: uint16(cmd.Command), Trace: schemas.IDFrom(cmd.TraceId)}
	if cmd.Again {
		h.Flags |= wire.FlagAgain
	}
	p := wire.PushPrefix{Position: cmd.Position, PushID: schemas.IDFrom(cmd.PushId)}
	if !c.zstd || len(cmd.Body) < wire.CompressAbove {
		c.out.B = wire.AppendPush(c.out.B, h, p, cmd.Body)
		return
	}
	packed := c.gate.frames.Get()
	defer c.gate.frames.Put(packed)
	var smaller bool
	if packed.B, smaller = c.gate.pack.Append(packed.B, cmd.Body); smaller {
		h.Flags |= wire.FlagCompressed
	}
	c.out.B = wire.AppendPush(c.out.B, h, p, packed.B)
}
