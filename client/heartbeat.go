package client

import (
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// startHeartbeat begins after a random part of the interval, so that devices
// that connected together do not beat together. The caller holds mu.
func (c *Client) startHeartbeat(conn *conn, interval time.Duration) {
	if interval <= 0 {
		return
	}
	conn.interval = interval
	conn.beat = time.AfterFunc(upTo(interval), func() { c.heartbeat(conn) })
}

func (c *Client) heartbeat(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != conn {
		return
	}
	conn.beatDue = true
	conn.beat.Reset(conn.interval)
	c.poke()
}

// composeHeartbeat says the cursor again, so that a lost ack costs nothing. The
// caller holds mu.
func (c *Client) composeHeartbeat(conn *conn, b *batch) {
	sequence := c.draw()
	if sequence == 0 {
		b.starved = true
		return
	}
	body, err := (&schemas.Heartbeat{Cursor: c.state.Cursor, Network: c.cfg.Network()}).MarshalVT()
	if err != nil {
		body = nil // a heartbeat without a cursor is still a sign of life
	}
	h := wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: sequence}
	b.frames = wire.AppendFrame(b.frames, h, nil, body)
	conn.beatDue = false
	if conn.beatsOpen == 0 && !conn.blocked {
		conn.setDeadline(time.Now().Add(c.cfg.AnswerTimeout))
	}
	conn.beatsOpen++ // before it is written: the answer may be read before Write returns
}

// heartbeatAnswered ends the deadline, or starts it anew for the next answer.
func (c *Client) heartbeatAnswered(conn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.beatsOpen = max(conn.beatsOpen-1, 0)
	if conn.beatsOpen == 0 {
		conn.setDeadline(time.Time{})
		return
	}
	conn.setDeadline(time.Now().Add(c.cfg.AnswerTimeout))
}
