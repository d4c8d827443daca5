package client

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"waybill/internal/wire"
)

// readSize is the idle size of a connection's read buffer: enough for a burst
// of small pushes, small enough for thousands of clients in a process.
const readSize = 2 << 10

// conn is one connection to a gate.
type conn struct {
	// Fixed once it is attached.
	nc      net.Conn
	gen     uint64 // the nth connection of the client
	maxBody uint32 // bytes after a header, both ways
	zstd    bool   // the gate can decompress

	// Owned by Run's goroutine.
	buf        []byte
	start, end int // buf[start:end] has been read and not been parsed

	// Owned by the writer.
	out []byte

	// Closed by hurt, under Client.mu, so that a reader which waits for the
	// handler learns that the connection has ended.
	dead chan struct{}

	// Guarded by Client.mu.
	cause     error // why it ended, said first
	goodbye   error // end it with this cause when everything due is written
	ackDue    bool
	received  uint64        // position to say received for; 0 = none
	saidIt    chan struct{} // closed when that was written; nil if nobody waits
	beat      *time.Timer
	interval  time.Duration
	beatDue   bool
	beatsOpen int  // heartbeats that are not answered yet
	blocked   bool // the reader waits for the handler, so no answer can be read
	waitTimer *time.Timer

	mu      sync.Mutex // of leaving and the deadline
	leaving bool
}

func newConn(nc net.Conn) *conn {
	return &conn{nc: nc, maxBody: defaultMaxFrame, buf: make([]byte, readSize), dead: make(chan struct{})}
}

// next reads one frame. The payload is valid until the next call.
func (c *conn) next() (wire.Header, []byte, error) {
	for {
		h, payload, rest, err := wire.Next(c.buf[c.start:c.end], c.maxBody)
		if err == nil {
			c.start = c.end - len(rest)
			return h, payload, nil
		}
		if !errors.Is(err, wire.ErrShort) {
			return h, nil, fmt.Errorf("parse frame: %w", err)
		}
		if err := c.fill(wire.HeaderSize + int(h.Length)); err != nil {
			return h, nil, err
		}
	}
}

// fill reads more bytes; the buffer is made to hold a frame of size bytes, and
// small again when it is empty.
func (c *conn) fill(size int) error {
	held := c.end - c.start
	switch {
	case size > len(c.buf):
		c.move(make([]byte, size))
	case held == 0 && len(c.buf) > 2*readSize:
		c.move(make([]byte, readSize))
	case c.start > 0:
		c.move(c.buf)
	}
	n, err := c.nc.Read(c.buf[c.end:])
	c.end += n
	if n > 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read from gate: %w", err)
	}
	return nil
}

func (c *conn) move(to []byte) {
	c.end = copy(to, c.buf[c.start:c.end])
	c.start, c.buf = 0, to
}

// setDeadline bounds the next reads, unless the connection is being left.
func (c *conn) setDeadline(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaving {
		_ = c.nc.SetReadDeadline(t) // a closed connection fails at the read
	}
}

// leave wakes the reader for good; what is to be written still can be.
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaving = true
	_ = c.nc.SetReadDeadline(time.Unix(1, 0))
}

// blame keeps the first cause. The caller holds Client.mu.
func (c *conn) blame(cause error) error {
	if c.cause == nil {
		c.cause = cause
	}
	return c.cause
}

// hurt ends the connection from another goroutine than the reader's, which
// then finds it closed. The caller holds Client.mu.
func (c *conn) hurt(cause error) {
	if c.cause == nil {
		c.cause = cause
		close(c.dead)
	}
	c.nc.Close()
}

func (c *conn) stopTimers() {
	for _, t := range []*time.Timer{c.beat, c.waitTimer} {
		if t != nil {
			t.Stop()
		}
	}
}
