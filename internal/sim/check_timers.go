package sim

import (
	"waybill/schemas"
)

// commanded looks at what a worker tells a gate.
func (c *check) commanded(k *worker, m *schemas.Command) {
	switch {
	case m.Kind == schemas.CommandKind_COMMAND_KIND_PUSH && k.instants[0].at > m.Expires:
		c.w.fail("%v is dispatched after its ttl", schemas.Position(m.Position))
	case m.Reason == schemas.Reason_REASON_ACK_TIMEOUT:
		c.timedOut(k, m.Conn())
	}
}

// timedOut: a worker's own lag closes nobody. Where it reads before it judges,
// only what it has read counts: a broker's clock that goes back may stamp a
// later record as earlier.
func (c *check) timedOut(k *worker, conn schemas.ConnID) {
	timer, least := c.w.settings.AckTimer.Microseconds(), int64(0)
	c.stopped(k, conn)
	for _, x := range k.instants {
		since := x.at - c.moved(x, conn)
		if since >= timer {
			return
		}
		least = since
	}
	c.w.fail("%v is closed with ack_timeout %d ms after it moved", conn, least/1000)
}

// stopped: nor does a gate that was stopped, as far as the worker can know: what
// its devices acknowledged meanwhile is on its way.
func (c *check) stopped(k *worker, conn schemas.ConnID) {
	g := c.w.connOf(conn).gate
	if g.woken.at == 0 || c.w.behind > 0 || k.place <= g.woken.index || c.w.compacted(g.woken.index, k.cut) {
		return
	}
	last := k.instants[len(k.instants)-1].at
	if until := g.woken.at + c.w.settings.AckTimer.Microseconds(); last < until {
		c.w.fail("%v is closed with ack_timeout %d ms after its gate woke", conn, (last-g.woken.at)/1000)
	}
}

// moved is when the connection's cursor did so last, as of an instant.
func (c *check) moved(x instant, conn schemas.ConnID) (at int64) {
	var cursor uint64
	seen := c.w.log
	if !c.w.off.has(ReadBeforeJudged) {
		seen = seen[:min(x.read, len(seen))]
	}
	for _, r := range seen {
		if r.at > x.at {
			break
		}
		if a := r.event.Acked; a != nil && r.event.Conn() == conn && a.Cursor > cursor {
			cursor, at = a.Cursor, r.at
		}
	}
	return at
}
