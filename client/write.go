package client

import (
	"fmt"
	"time"

	"waybill/internal/wire"
)

// batchSize is about how many bytes one write carries: enough to make system
// calls rare, little enough to keep buffers small.
const batchSize = 16 << 10

// batch is what one write carries.
type batch struct {
	frames  []byte
	saidIt  chan struct{} // to be closed when it is written
	starved bool          // sequences must be reserved first
}

// writeAll writes what is due each time it is woken, until stop is closed; then
// once more.
func (c *Client) writeAll(stop <-chan struct{}) {
	for {
		select {
		case <-c.wake:
			c.drain(c.cfg.AnswerTimeout)
		case <-stop:
			c.drain(min(time.Second, c.cfg.AnswerTimeout))
			return
		}
	}
}

// drain writes until nothing is due. What accumulates during one write goes
// out with the next, so a busy connection batches without a timer.
func (c *Client) drain(timeout time.Duration) {
	for {
		c.mu.Lock()
		conn := c.conn
		if conn == nil {
			c.mu.Unlock()
			return
		}
		b := c.compose(conn, time.Now())
		if len(b.frames) == 0 && !b.starved && conn.goodbye != nil {
			conn.hurt(conn.goodbye)
		}
		c.mu.Unlock()
		if b.starved && c.reserve() != nil {
			return // Run ends with the error
		}
		if len(b.frames) == 0 {
			if b.starved {
				continue
			}
			return
		}
		if !c.write(conn, b, timeout) {
			return
		}
	}
}

// write puts one batch on the socket; false if that ended the connection.
func (c *Client) write(conn *conn, b batch, timeout time.Duration) bool {
	_ = conn.nc.SetWriteDeadline(time.Now().Add(timeout)) // a closed connection fails at the write
	_, err := conn.nc.Write(b.frames)
	if cap(b.frames) > 2*batchSize {
		conn.out = nil
	} else {
		conn.out = b.frames[:0]
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.saidIt != nil {
		close(b.saidIt)
	}
	if err != nil {
		conn.hurt(fmt.Errorf("write to gate: %w", err))
		return false
	}
	return true
}

// compose collects what is due, small things first. The caller holds mu.
func (c *Client) compose(conn *conn, now time.Time) batch {
	b := batch{frames: conn.out[:0]}
	if conn.ackDue {
		b.frames = wire.AppendAck(b.frames, wire.AckBody{Cursor: c.state.Cursor, Received: conn.received})
		b.saidIt = conn.saidIt
		conn.ackDue, conn.received, conn.saidIt = false, 0, nil
	}
	if conn.beatDue {
		c.composeHeartbeat(conn, &b)
	}
	if conn.goodbye == nil {
		c.composeCalls(conn, &b, &c.reports, now)
		c.composeCalls(conn, &b, &c.uplinks, now)
	}
	return b
}

func (c *Client) composeCalls(conn *conn, b *batch, box *outbox, now time.Time) {
	for len(b.frames) < batchSize {
		call := box.next(now)
		if call == nil {
			return
		}
		if call.sequence == 0 {
			if call.sequence = c.draw(); call.sequence == 0 {
				b.starved = true
				return
			}
		}
		box.wrote(call)
		b.frames = c.appendCall(b.frames, conn, call, wire.UplinkPrefix{
			Time: now.UnixMicro(), Lowest: box.lowest(), Tries: call.tries,
		})
	}
}

func (c *Client) appendCall(dst []byte, conn *conn, call *call, p wire.UplinkPrefix) []byte {
	h := wire.Header{
		Kind: wire.KindRequest, Family: call.family, Command: call.command,
		Sequence: call.sequence, Trace: call.trace,
	}
	if call.family == wire.FamilySession {
		return wire.AppendFrame(dst, h, nil, call.body)
	}
	if call.oneWay {
		h.Flags |= wire.FlagOneWay
	}
	body, compressed := c.compress(conn, call.body)
	if compressed {
		h.Flags |= wire.FlagCompressed
	}
	return wire.AppendUplink(dst, h, p, body)
}

// compress is only called by the writer.
func (c *Client) compress(conn *conn, body []byte) ([]byte, bool) {
	if c.cfg.NoCompression || !conn.zstd || len(body) < wire.CompressAbove {
		return body, false
	}
	if c.comp == nil {
		comp, err := wire.NewCompressor()
		if err != nil {
			return body, false // it is an option, not a duty
		}
		c.comp = comp
	}
	return c.comp.Append(nil, body)
}

// draw takes the next sequence, or 0 if none is reserved. The caller holds mu.
func (c *Client) draw() uint64 {
	if c.used >= c.state.Sequence {
		return 0
	}
	c.used++
	return c.used
}

// reserve stores that a further block of sequences may be used.
func (c *Client) reserve() error {
	return c.save(func(s *State) { s.Sequence += sequenceBlock })
}
