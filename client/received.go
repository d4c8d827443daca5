package client

import (
	"context"
	"time"
)

// sayReceived tells the gate that the application gets a push now, and waits
// until that is on its way: if the application takes the process down with it,
// the gate must have heard it.
func (c *Client) sayReceived(ctx context.Context, position uint64) {
	c.mu.Lock()
	conn := c.conn
	if conn == nil {
		c.mu.Unlock()
		return // the next connection will bring it again
	}
	said := make(chan struct{})
	conn.ackDue, conn.received, conn.saidIt = true, position, said
	c.poke()
	c.mu.Unlock()
	select {
	case <-said:
	case <-ctx.Done():
	}
}

// sayReceivedLate runs when a handler may have taken a second.
func (c *Client) sayReceivedLate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handling == 0 || c.conn == nil || time.Since(c.handlingT) < receivedAfter {
		return // it fired for a handler that has returned meanwhile
	}
	c.conn.ackDue, c.conn.received = true, c.handling
	c.poke()
}

// sayReceivedIfHandling: a new connection repeats the push that a slow handler
// still has.
func (c *Client) sayReceivedIfHandling(conn *conn, position uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.handling == position && position != 0 {
		conn.ackDue, conn.received = true, position
		c.poke()
	}
}
