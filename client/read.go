package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// errLeft ends a reader that waits for the handler.
var errLeft = errors.New("connection was left")

// read takes frames until the connection ends; why is the error.
func (c *Client) read(ctx context.Context, conn *conn) error {
	for {
		h, payload, err := conn.next()
		if err != nil {
			return err
		}
		switch h.Kind {
		case wire.KindPush:
			err = c.readPush(ctx, conn, h, payload)
		case wire.KindResponse:
			err = c.readResponse(ctx, conn, h, payload)
		case wire.KindAck:
			c.acked(h)
		default:
			err = fmt.Errorf("gate sent %v: a gate sends no requests", h)
		}
		if err != nil {
			return err
		}
	}
}

func (c *Client) readPush(ctx context.Context, conn *conn, h wire.Header, payload []byte) error {
	if h.Family == wire.FamilySession && h.Command != wire.CmdResumed {
		return c.readSession(h, payload)
	}
	d, err := c.delivery(conn, h, payload)
	if err != nil {
		return err
	}
	if h.Family == wire.FamilySession {
		d.resumed = &schemas.Resumed{}
		if err := d.resumed.UnmarshalVT(d.push.Body); err != nil {
			return fmt.Errorf("parse resumed: %w", err)
		}
	}
	c.sayReceivedIfHandling(conn, d.push.Position)
	return c.enqueue(ctx, conn, d)
}

// readSession takes a push of family 0 that has no position.
func (c *Client) readSession(h wire.Header, payload []byte) error {
	if err := hangUp(h, payload); err != nil {
		return err
	}
	if h.Command == wire.CmdError {
		var m schemas.Error
		_ = m.UnmarshalVT(payload[wire.PushPrefixSize:]) // hangUp has seen the prefix; a bad body leaves its fields empty
		c.cfg.Log.Warn("gate refused a frame", "reason", m.Reason.Word(), "message", m.Message)
	}
	return nil
}

// delivery copies a frame with a position out of the read buffer.
func (c *Client) delivery(conn *conn, h wire.Header, payload []byte) (*delivery, error) {
	p, body, err := wire.ParsePushPrefix(payload)
	if err != nil {
		return nil, fmt.Errorf("parse %v: %w", h, err)
	}
	if h.Flags.Has(wire.FlagCompressed) {
		body, err = c.decompress(conn, body)
	} else {
		body = bytes.Clone(body)
	}
	if err != nil {
		return nil, err
	}
	return &delivery{gen: conn.gen, header: h, push: Push{
		Position: p.Position, ID: p.PushID, Trace: h.Trace, Family: h.Family, Command: h.Command,
		Body: body, Again: h.Flags.Has(wire.FlagAgain),
	}}, nil
}

// decompress is only called by Run's goroutine.
func (c *Client) decompress(conn *conn, body []byte) ([]byte, error) {
	if c.decomp == nil || c.decompMax != int(conn.maxBody) {
		d, err := wire.NewDecompressor(int(conn.maxBody))
		if err != nil {
			return nil, err
		}
		c.decomp, c.decompMax = d, int(conn.maxBody)
	}
	return c.decomp.Append(nil, body)
}

// enqueue hands a frame to the handler goroutine. While its queue is full,
// nothing is read: TCP tells the gate.
func (c *Client) enqueue(ctx context.Context, conn *conn, d *delivery) error {
	select {
	case c.queue <- d:
		return nil
	default:
	}
	c.setBlocked(conn, true)
	defer c.setBlocked(conn, false)
	select {
	case c.queue <- d:
		return nil
	case <-conn.dead:
		return errLeft // its cause is known
	case <-ctx.Done():
		return errLeft
	}
}

// setBlocked stops the heartbeat's deadline while nothing is read.
func (c *Client) setBlocked(conn *conn, blocked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	conn.blocked = blocked
	if !blocked && conn.beatsOpen > 0 {
		conn.setDeadline(time.Now().Add(c.cfg.AnswerTimeout))
	}
}

func (c *Client) readResponse(ctx context.Context, conn *conn, h wire.Header, payload []byte) error {
	if h.Family != wire.FamilySession {
		return c.readUplinkResponse(ctx, conn, h, payload)
	}
	if h.Command == wire.CmdHeartbeat {
		c.heartbeatAnswered(conn)
		return nil
	}
	c.settle(&c.reports, h, payload)
	return nil
}

// readUplinkResponse takes what answers an uplink: the gate's own word, or the
// app-server's, which is owed like a push.
func (c *Client) readUplinkResponse(ctx context.Context, conn *conn, h wire.Header, payload []byte) error {
	d, err := c.delivery(conn, h, payload)
	if err != nil {
		return err
	}
	if d.push.Position != 0 {
		return c.enqueue(ctx, conn, d)
	}
	c.settle(&c.uplinks, h, d.push.Body)
	return nil
}

// settle ends the call that h answers, or takes it back if it was refused for
// now.
func (c *Client) settle(box *outbox, h wire.Header, body []byte) {
	if h.Status == 0 {
		c.answered(box, h, Response{Trace: h.Trace, Body: body}, nil)
		return
	}
	reason, message, wait := parseError(h, body)
	if retried(reason) {
		c.refused(box, h.Sequence, reason, wait)
		return
	}
	c.answered(box, h, Response{Trace: h.Trace}, &StatusError{Reason: reason, Message: message})
}

// acked takes the gate's word that an uplink is in the log. A one-way one ends
// with that; the response to a request is now owed and need not be asked for
// again.
func (c *Client) acked(h wire.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.uplinks.find(h.Sequence)
	switch {
	case call == nil:
		return
	case call.oneWay || call.gone:
		c.uplinks.remove(call)
		call.end(Response{Trace: h.Trace}, nil)
	default:
		c.uplinks.take(call)
		c.logged[h.Sequence] = call
	}
	if c.uplinks.held {
		c.poke()
	}
}

// endLogged answers a request that was acked before. The caller holds mu.
func (c *Client) endLogged(sequence uint64, call *call, r Response, err error) {
	delete(c.logged, sequence)
	<-c.slots
	call.end(r, err)
}

func (c *Client) answered(box *outbox, h wire.Header, r Response, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if call := box.find(h.Sequence); call != nil {
		box.remove(call)
		call.end(r, err)
	} else if call := c.logged[h.Sequence]; call != nil {
		c.endLogged(h.Sequence, call, r, err)
	}
	if box.held {
		c.poke()
	}
}

// refused holds the outbox until the gate may have room again.
func (c *Client) refused(box *outbox, sequence uint64, reason schemas.Reason, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := box.find(sequence)
	if call == nil {
		return
	}
	switch {
	case reason == schemas.Reason_REASON_UPLINK_HELD && call.tries == 1:
		wait = 0 // it only waits for the one that was refused first
	case wait == 0:
		wait = retryAfter
	}
	box.refused(call, time.Now().Add(after(wait)))
	c.pokeAt(box.until)
}

// retryAfter is the wait where a refusal names none.
const retryAfter = time.Second

// pokeAt wakes the writer at t. The caller holds mu.
func (c *Client) pokeAt(t time.Time) {
	if c.conn == nil {
		return
	}
	d := time.Until(t)
	if c.conn.waitTimer == nil {
		c.conn.waitTimer = time.AfterFunc(d, c.poke)
		return
	}
	c.conn.waitTimer.Reset(d)
}
