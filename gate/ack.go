package gate

import (
	"waybill/internal/wire"
	"waybill/schemas"
)

// handleAck takes a cursor and what the application is working on. Acks are not
// answered: the next one says it again.
func (c *conn) handleAck(body []byte) {
	a, err := wire.ParseAckBody(body)
	if err != nil {
		c.fault(faultOf(err))
		return
	}
	c.acknowledge(a.Cursor, a.Received)
}

// handleHeartbeat takes the cursor along, so that a lost ack costs nothing.
func (c *conn) handleHeartbeat(h wire.Header, body []byte) {
	var m schemas.Heartbeat
	if err := m.UnmarshalVT(body); err != nil {
		c.fault(badBody("heartbeat", err))
		return
	}
	c.ok(h)
	c.acknowledge(m.Cursor, 0)
}

// acknowledge notes a cursor, which receive reports when all frames of a read
// are handled: several cursors in one read are one, as if the device had only
// said the newest. One that is newer than what was written on this connection is
// a mistake, or older than an adopt that is still on its way.
func (c *conn) acknowledge(cursor, received uint64) {
	if cursor > c.gap.Last() || received > c.gap.Last() {
		c.gate.metrics.acksIgnored.Add(1)
		return
	}
	c.acks.note(cursor, received)
}

// handleLogout answers, then closes; delivery ends the session.
func (c *conn) handleLogout(h wire.Header) {
	c.ok(h)
	c.close(schemas.Reason_REASON_LOGGED_OUT, "")
}
