package gate

import (
	"errors"

	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"

	"waybill/schemas"
)

// fdSocket is a non-blocking socket in a loop. Only the loop's goroutine closes
// the descriptor: others shut it down, which wakes the loop.
type fdSocket struct {
	loop *loop
	conn *conn

	// Owned by the loop.
	ended bool // it was told that the peer's bytes end
	more  bool // it stands in the loop's more

	// Guarded by the connection's lock.
	fd       int    // -1 when released
	queue    []byte // what the kernel did not take; nil when empty
	armed    bool   // the loop tells when there is room again
	finished bool   // nothing will be sent any more
}

// send writes directly while nothing is queued, which is nearly always: one
// system call, no copy. What the kernel leaves over is queued, and everything
// after it, so that order holds.
func (s *fdSocket) send(b []byte) error {
	if s.fd < 0 || s.finished {
		return errGone
	}
	if len(s.queue) > 0 {
		return s.enqueue(b)
	}
	n, err := write(s.fd, b)
	if err != nil {
		s.abort()
		return errGone
	}
	if n == len(b) {
		return nil
	}
	if err := s.enqueue(b[n:]); err != nil {
		return err
	}
	s.arm(true)
	return nil
}

// enqueue copies. The queue is given back as a whole when it has drained.
func (s *fdSocket) enqueue(b []byte) error {
	if len(s.queue)+len(b) > s.loop.gate.cfg.Queue {
		return errFull
	}
	s.queue = append(s.queue, b...)
	return nil
}

// arm asks the loop to tell when there is room. A socket that has nothing to
// write is not armed: each of its edges would say that there is room, too.
func (s *fdSocket) arm(on bool) {
	if s.armed == on {
		return
	}
	var events uint32
	if on {
		events = unix.EPOLLOUT
	}
	if s.loop.ctl(unix.EPOLL_CTL_MOD, s.fd, events) != nil {
		s.abort()
		return
	}
	s.armed = on
}

// writable writes what is queued. The loop calls it.
func (s *fdSocket) writable() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.fd < 0 {
		return
	}
	n, err := write(s.fd, s.queue)
	if err != nil {
		s.abort()
		return
	}
	if s.queue = s.queue[n:]; len(s.queue) > 0 {
		return
	}
	s.queue = nil
	s.arm(false)
	if s.finished {
		s.half()
	}
}

// finish lets the queue drain first: the farewell is in it.
func (s *fdSocket) finish() {
	if s.finished {
		return
	}
	s.finished = true
	if len(s.queue) == 0 {
		s.half()
	}
}

// half ends our direction; the peer sees the end after the last byte.
func (s *fdSocket) half() { s.shutdown(unix.SHUT_WR) }

// abort leaves closing to the loop, which sees the end of both directions.
func (s *fdSocket) abort() {
	s.finished, s.queue = true, nil
	s.shutdown(unix.SHUT_RDWR)
}

// shutdown fails where the peer was faster: the loop hears of that anyway.
func (s *fdSocket) shutdown(how int) {
	if s.fd >= 0 {
		_ = unix.Shutdown(s.fd, how)
	}
}

// release gives the descriptor back. From here on its number may be somebody
// else's, so nothing may be done with it: fd is -1 for all who come late.
func (s *fdSocket) release() {
	if s.fd < 0 {
		return
	}
	s.loop.forget(s.fd)
	_ = unix.Close(s.fd) // nothing is left to be written
	s.fd, s.queue = -1, nil
}

// readable reads once and says whether there may be more. A read that does not
// fill the buffer has taken all, unless the peer's end comes behind it.
func (s *fdSocket) readable(buf *readBuffer) (more bool) {
	if s.fd < 0 {
		return false // it ended between two turns
	}
	b := buf.get()
	n, err := read(s.fd, b)
	switch {
	case errors.Is(err, unix.EAGAIN):
		return false
	case err != nil:
		s.conn.gone(schemas.Reason_REASON_IO_ERROR)
		return false
	case n == 0:
		s.conn.gone(schemas.Reason_REASON_PEER_CLOSED)
		return false
	}
	s.conn.receive(b[:n])
	return n == len(b) || s.ended
}

// readBuffer is a pooled buffer that a loop holds from the first socket that is
// ready until it waits again.
type readBuffer struct {
	loop *loop
	held *bytebufferpool.ByteBuffer
}

// get is the buffer of this round, for one socket after the other.
func (r *readBuffer) get() []byte {
	if r.held == nil {
		r.held = r.loop.gate.reads.Get()
		if cap(r.held.B) < readSize {
			r.held.B = make([]byte, readSize)
		}
		r.held.B = r.held.B[:readSize]
	}
	return r.held.B
}

// put returns it before the loop waits: an idle loop holds none.
func (r *readBuffer) put() {
	if r.held != nil {
		r.loop.gate.reads.Put(r.held)
		r.held = nil
	}
}
