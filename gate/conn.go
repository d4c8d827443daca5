package gate

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/valyala/bytebufferpool"

	"waybill/internal/wire"
	"waybill/schemas"
)

// socket is the way out of one connection's bytes. All methods are called with
// the connection's lock held and never block.
type socket interface {
	// send writes b, or keeps a copy of what cannot be written yet. errFull
	// says that the queue's bound would be passed: a frame may be cut off, so
	// only abort is left.
	send(b []byte) error
	// finish half-closes once the queue is empty; the peer's bytes are still
	// read, so that its unread ones do not tear the farewell down.
	finish()
	// abort ends both directions now; the queue is lost.
	abort()
	// release frees what the socket holds. It is the last call.
	release()
}

var (
	errFull = errors.New("the connection's queue is full")
	errGone = errors.New("the connection is gone")
)

type state uint8

const (
	stateNew      state = iota // has not logged in
	stateEntering              // in the table; its connected is on the way into the log
	stateLive
	stateClosing // its farewell is written; the peer's bytes are thrown away
	stateClosed  // the socket is gone
)

// conn is one connection. A million of them are meant to fit on a machine:
// think before adding a field, and put what only a login needs into entry.
type conn struct {
	// Fixed when it is accepted.
	gate *Gate
	sock socket
	peer netip.AddrPort

	part []byte // start of a frame; owned by the socket's reader

	// Place in the wheel; guarded by the wheel's lock.
	slot, index int32

	mu sync.Mutex
	// All below is guarded by mu.
	state    state
	zstd     bool  // the device takes compressed bodies
	entered  bool  // its connected was handed to the log: its end is owed
	deadline int64 // when the wheel acts, on the gate's clock; see expire
	until    int64 // when its token expires, on the same clock

	number  uint64 // within the incarnation; 0 before a login
	who     identity
	session schemas.ID
	began   int64 // the session, microseconds; by the clock of its login's gate
	install schemas.ID
	gap     Gap
	acks    acks
	hold    hold
	traffic traffic

	entry *entry                     // of a login on its way, else nil
	end   *schemas.Event             // the disconnected that is still to be reported
	out   *bytebufferpool.ByteBuffer // frames of the call at work, else nil
}

// traffic of one connection, for its disconnected.
type traffic struct{ framesIn, framesOut, bytesIn, bytesOut, swallowed uint64 }

// newConn begins a connection that somebody has accepted. It is in the wheel from
// here on, so that it cannot be forgotten, and in the table once it logs in.
func (g *Gate) newConn(s socket, peer netip.AddrPort) *conn {
	c := &conn{gate: g, sock: s, peer: peer, index: -1}
	c.extend(g.cfg.LoginTimeout)
	g.wheel.add(c, c.deadline)
	g.metrics.accepted.Add(1)
	return c
}

// lock begins a call: what it writes is gathered and sent at its end.
func (c *conn) lock() {
	c.mu.Lock()
	c.out = c.gate.frames.Get()
}

// unlock ends a call: sends, then does what a close had to leave until then.
func (c *conn) unlock() {
	c.flush()
	c.settle()
	c.mu.Unlock()
}

// flush sends what was gathered, and says whether the socket took it.
func (c *conn) flush() bool {
	out := c.out
	if out == nil {
		return true
	}
	c.out = nil
	defer c.gate.frames.Put(out)
	if len(out.B) == 0 || c.state == stateClosed {
		return c.state != stateClosed
	}
	err := c.sock.send(out.B)
	if errors.Is(err, errFull) {
		c.drop(schemas.Reason_REASON_QUEUE_FULL)
	}
	if err != nil {
		return false
	}
	c.traffic.bytesOut += uint64(len(out.B))
	c.gate.metrics.bytesOut.Add(int64(len(out.B)))
	return true
}

// settle half-closes a connection that is closing and reports its end.
func (c *conn) settle() {
	if c.state == stateClosing {
		c.sock.finish()
	}
	if c.end != nil {
		c.reportEnd()
	}
}

// extend moves the deadline; the wheel looks at it when its slot comes.
func (c *conn) extend(d time.Duration) { c.deadline = c.gate.clock() + int64(d) }

// due is when the wheel looks at the connection again.
func (c *conn) due() int64 {
	if c.state == stateLive {
		return min(c.deadline, c.until)
	}
	return c.deadline
}

// silence is how long a live connection may say nothing.
func (c *conn) silence() time.Duration { return c.gate.cfg.Heartbeat * 5 / 2 }

// receive takes bytes from the socket; b is the caller's again afterwards.
func (c *conn) receive(b []byte) {
	c.lock()
	defer c.unlock()
	c.traffic.bytesIn += uint64(len(b))
	c.gate.metrics.bytesIn.Add(int64(len(b)))
	if c.state >= stateClosing {
		c.part = nil
		return
	}
	if c.state == stateLive {
		c.extend(c.silence())
	}
	c.join(b)
	if c.acks.said && c.state == stateLive { // else the disconnected carries it
		c.acks.said = false
		c.reportAck()
	}
}

// join handles the frames of a read, and keeps the start of the next one.
func (c *conn) join(b []byte) {
	if len(c.part) == 0 {
		if rest := c.take(b); len(rest) > 0 {
			c.part = append([]byte(nil), rest...)
		}
		return
	}
	c.part = append(c.part, b...)
	if rest := c.take(c.part); len(rest) > 0 {
		c.part = c.part[:copy(c.part, rest)]
		return
	}
	c.part = nil
}

// take handles all whole frames and returns the start of the next one.
func (c *conn) take(data []byte) []byte {
	for c.state < stateClosing {
		h, payload, rest, err := wire.Next(data, c.maxFrame())
		if errors.Is(err, wire.ErrShort) {
			return data
		}
		if err != nil {
			c.fault(faultOf(err))
			return nil
		}
		data = rest
		c.traffic.framesIn++
		c.gate.metrics.framesIn.Add(1)
		c.handle(h, payload)
	}
	return nil
}

// maxFrame bounds what a stranger may make the gate remember. A device that asked
// for smaller frames may still send larger ones, up to the gate's own limit.
func (c *conn) maxFrame() uint32 {
	if c.state == stateNew {
		return maxLogin
	}
	return c.gate.cfg.MaxFrame
}

// gone is told by the socket's reader, once: the peer closed, or it broke.
func (c *conn) gone(r schemas.Reason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sock.release()
	c.gate.wheel.remove(c)
	c.part = nil
	c.leave(stateClosed, r, "")
	c.settle()
}

// close ends the connection with what is usual for the reason.
func (c *conn) close(r schemas.Reason, detail string) {
	f := farewellFor(r)
	f.detail = detail
	c.bid(f)
}

// bid says farewell and ends the connection. A second one says nothing.
func (c *conn) bid(f farewell) {
	if c.state >= stateClosing {
		return
	}
	c.writeClose(f)
	c.leave(stateClosing, f.reason, f.detail)
	c.extend(linger)
	c.gate.wheel.move(c, c.deadline)
}

// drop ends a connection that cannot be told.
func (c *conn) drop(r schemas.Reason) {
	if c.state >= stateClosing {
		return
	}
	c.leave(stateClosing, r, "")
	c.sock.abort()
}

// leave takes the connection out of the gate's table and owes its end. A
// connection that was closing has done so already.
func (c *conn) leave(s state, r schemas.Reason, detail string) {
	before := c.state
	c.state = s
	if before >= stateClosing {
		return
	}
	c.gate.metrics.close(r)
	c.gate.table.remove(c.number)
	c.entry = nil
	if c.entered {
		c.end = c.disconnected(r, detail)
	}
}

// expire is called by the wheel, which has taken the connection out, when its
// slot has come.
func (c *conn) expire(now int64) {
	c.lock()
	defer c.unlock()
	switch {
	case c.state == stateClosed:
		return
	case c.state == stateLive && c.until <= now:
		c.close(schemas.Reason_REASON_TOKEN_EXPIRED, "")
	case c.deadline <= now:
		c.late()
	}
	c.gate.wheel.add(c, c.due())
}

// late acts on a deadline that has passed.
func (c *conn) late() {
	switch c.state {
	case stateNew:
		c.close(schemas.Reason_REASON_LOGIN_TIMEOUT, "")
	case stateEntering:
		c.refuseLogin(busy())
	case stateLive:
		c.close(schemas.Reason_REASON_HEARTBEAT_TIMEOUT, "")
	case stateClosing:
		c.sock.abort()
		c.extend(linger)
	}
}

// shutdown closes the connection whatever it is doing.
func (c *conn) shutdown(r schemas.Reason) {
	c.lock()
	defer c.unlock()
	if c.state >= stateClosing {
		return
	}
	f := farewellFor(r)
	if r == schemas.Reason_REASON_GATE_STOPPING {
		f.address, _ = c.gate.peers.take()
	}
	c.bid(f)
}

// abort ends the connection's bytes; its reader then says that it is gone.
func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sock.abort()
}

// id is the connection's name for ever; only meaningful once it has a number.
func (c *conn) id() schemas.ConnID {
	return schemas.ConnID{Gate: c.gate.cfg.Number, Incarnation: c.gate.incarnation.Load(), Number: c.number}
}
