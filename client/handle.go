package client

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

const (
	// receivedAfter is how long a handler runs before the device says received.
	receivedAfter = time.Second
	// ackWithin bounds how long a burst of quick pushes goes unacknowledged.
	ackWithin = 10 * time.Millisecond
)

// delivery is a frame with a position, on its way to the application.
type delivery struct {
	gen     uint64 // connection that it came on
	header  wire.Header
	push    Push
	resumed *schemas.Resumed // nil on all others
}

// hand is what the handler goroutine keeps.
type hand struct {
	dedupe Dedupe
	user   string    // whose cursor it is; see State.User
	failed uint64    // what came on connections up to this one is dropped: the application broke there
	owed   int       // handled and not acknowledged
	since  time.Time // when the first of them was
}

// handleAll takes deliveries until ctx ends. They go through one goroutine
// whatever connection they came on, so that a slow handler and a reconnect
// never hand over the same push twice.
func (c *Client) handleAll(ctx context.Context) {
	defer c.acknowledge()
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-c.queue:
			if ctx.Err() != nil {
				return
			}
			c.take(ctx, d)
		}
	}
}

// take brings one delivery through the dedupe rule.
func (c *Client) take(ctx context.Context, d *delivery) {
	if d.gen <= c.hand.failed || c.outlived(d.gen) {
		return
	}
	c.belong()
	dedupe := &c.hand.dedupe
	switch {
	case d.resumed != nil:
		dedupe.Resumed(d.push.Position, d.resumed.GetGap().GetAdopt())
		defer c.resumed(d)
	case !dedupe.Fresh(d.push.Position):
	case d.header.Kind == wire.KindResponse:
		c.settle(&c.uplinks, d.header, d.push.Body)
		dedupe.Handled(d.push.Position)
	default:
		if err := c.call(ctx, d); err != nil {
			c.broke(d, err)
			return
		}
		dedupe.Handled(d.push.Position)
	}
	c.owe()
}

// outlived says that a newer connection is there, which brings everything that
// waits from this one again.
func (c *Client) outlived(gen uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return gen != c.gen
}

// owe acknowledges when nothing waits behind, or enough has been held back.
func (c *Client) owe() {
	now := time.Now()
	if c.hand.owed == 0 {
		c.hand.since = now
	}
	c.hand.owed++
	if len(c.queue) == 0 || c.hand.owed >= max(c.cfg.Window/2, 1) || now.Sub(c.hand.since) > ackWithin {
		c.acknowledge()
	}
}

// acknowledge saves the cursor, then has it written to whichever connection
// there is.
func (c *Client) acknowledge() {
	if c.hand.owed == 0 {
		return
	}
	c.hand.owed = 0
	cursor, user := c.hand.dedupe.Cursor(), c.hand.user
	c.mu.Lock()
	known := c.state.Cursor == cursor
	c.mu.Unlock()
	keep := func(s *State) {
		if user == "" || s.User == user { // else somebody else has logged in meanwhile
			s.Cursor = cursor
		}
	}
	if !known && c.save(keep) != nil {
		return // Run ends with the error
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.ackDue = true
		c.poke()
	}
}

// call hands one push to the application.
func (c *Client) call(ctx context.Context, d *delivery) error {
	if d.push.Again {
		c.sayReceived(ctx, d.push.Position)
	}
	c.mu.Lock()
	c.handling, c.handlingT = d.push.Position, time.Now()
	c.mu.Unlock()
	c.slow.Reset(receivedAfter)
	err := c.guard(ctx, d.push)
	c.slow.Stop()
	c.mu.Lock()
	c.handling = 0
	c.mu.Unlock()
	return err
}

// guard turns a panic of the Handler into an error.
func (c *Client) guard(ctx context.Context, p Push) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.cfg.Log.Error("handler panicked", "position", schemas.Position(p.Position), "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return c.cfg.Handler(ctx, p)
}

// broke ends the connection on which the application broke: nothing behind the
// push may be handed over before it has come again.
func (c *Client) broke(d *delivery, err error) {
	c.acknowledge() // what was handled before it
	c.hand.failed = d.gen
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.gen == d.gen {
		c.conn.goodbye = &HandlerError{Position: d.push.Position, Err: err}
		c.poke()
	}
}

// resumed tells the application that it has everything, and ends the row of
// failed tries.
func (c *Client) resumed(d *delivery) {
	c.mu.Lock()
	c.backoff.reset()
	c.mu.Unlock()
	n := Notice{Kind: Resumed}
	if g := d.resumed.Gap; g != nil {
		n.Gap = &Gap{Reason: g.Reason, From: g.From, To: g.To, Adopted: g.Adopt}
		c.cfg.Log.Warn("pushes are missing", "reason", g.Reason.Word(), "from", schemas.Position(g.From), "to", schemas.Position(g.To))
	}
	c.cfg.OnNotice(n)
}
