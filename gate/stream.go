package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"waybill/schemas"
)

// streams is the transport of goroutines: a reader and a writer for each
// connection. It works wherever Go does, and over anything that is a net.Conn.
type streams struct {
	gate *Gate
	ln   net.Listener
	wg   sync.WaitGroup // of the connections' goroutines

	mu     sync.Mutex
	closed bool // nothing is carried any more
}

// accept ends with the listener.
func (t *streams) accept(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { t.ln.Close() })
	defer stop()
	for {
		nc, err := t.ln.Accept()
		switch {
		case err == nil:
			t.carry(nc)
		case ctx.Err() != nil:
			return nil
		case scarce(err):
			t.gate.metrics.scarce.Add(1)
			rest(ctx, acceptPause)
		default:
			return fmt.Errorf("accept connections: %w", err)
		}
	}
}

// run only waits: the goroutines of the connections do the work. What accept
// may still bring afterwards, carry closes.
func (t *streams) run(ctx context.Context) error {
	<-ctx.Done()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, c := range t.gate.wheel.all() {
		c.abort()
	}
	t.wg.Wait()
	return nil
}

// carry serves one connection until it ends.
func (t *streams) carry(nc net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		nc.Close()
		return
	}
	s := &streamSocket{nc: nc, bound: t.gate.cfg.Queue, wake: make(chan struct{}, 1), done: make(chan struct{})}
	c := t.gate.newConn(s, peerOf(nc.RemoteAddr()))
	s.conn = c
	t.wg.Go(s.write)
	t.wg.Go(s.read)
}

// streamSocket is a socket over a net.Conn.
type streamSocket struct {
	nc    net.Conn
	conn  *conn
	bound int
	wake  chan struct{} // one place; to the writer: there is something to do
	done  chan struct{} // closed by release

	// Guarded by the connection's lock.
	queue    []byte
	finished bool
}

// send always queues: a net.Conn cannot be written without waiting.
func (s *streamSocket) send(b []byte) error {
	if len(s.queue)+len(b) > s.bound {
		return errFull
	}
	s.queue = append(s.queue, b...)
	s.signal()
	return nil
}

// finish tells the writer that nothing follows.
func (s *streamSocket) finish() {
	if !s.finished {
		s.finished = true
		s.signal()
	}
}

// abort makes both goroutines fail.
func (s *streamSocket) abort() { s.nc.Close() }

// release is called by the reader, which ends; the writer ends with done.
func (s *streamSocket) release() {
	s.nc.Close()
	close(s.done)
}

// signal never waits: one place is enough, since the writer takes everything.
func (s *streamSocket) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// read holds a buffer as long as the connection lasts; the loops do not.
func (s *streamSocket) read() {
	b := make([]byte, readSize)
	for {
		n, err := s.nc.Read(b)
		if n > 0 {
			s.conn.receive(b[:n])
		}
		if err != nil {
			s.conn.gone(reasonOf(err))
			return
		}
	}
}

// reasonOf tells a device that closed from one that vanished.
func reasonOf(err error) schemas.Reason {
	if errors.Is(err, io.EOF) {
		return schemas.Reason_REASON_PEER_CLOSED
	}
	return schemas.Reason_REASON_IO_ERROR
}

// write takes turns with send: whatever was queued while it wrote goes next.
func (s *streamSocket) write() {
	for {
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
		b, last := s.take()
		if err := s.writeAll(b); err != nil {
			s.nc.Close() // the reader tells
			return
		}
		if last {
			s.closeWrite()
			return
		}
	}
}

// writeAll leaves out an empty write, which some connections wait with.
func (s *streamSocket) writeAll(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := s.nc.Write(b)
	return err
}

// take empties the queue; last is true when nothing will come after it.
func (s *streamSocket) take() ([]byte, bool) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	b := s.queue
	s.queue = nil
	return b, s.finished
}

// closeWrite half-closes where that exists, so that the peer reads the farewell
// before it notices.
func (s *streamSocket) closeWrite() {
	if half, ok := s.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		return
	}
	s.nc.Close()
}
