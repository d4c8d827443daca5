package demo

import (
	"net"
	"sync"
	"sync/atomic"
)

// radio is a connection that can lose its coverage: from then on what is
// written vanishes and what was on its way never arrives, until it is closed.
type radio struct {
	net.Conn
	muted  atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func newRadio(c net.Conn) *radio { return &radio{Conn: c, closed: make(chan struct{})} }

func (r *radio) mute() { r.muted.Store(true) }

// Read holds back what arrives without coverage, for ever.
func (r *radio) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if r.muted.Load() {
		<-r.closed
		return 0, net.ErrClosed
	}
	return n, err
}

// Write lets vanish what is sent without coverage.
func (r *radio) Write(b []byte) (int, error) {
	if r.muted.Load() {
		return len(b), nil
	}
	return r.Conn.Write(b)
}

// Close ends the connection.
func (r *radio) Close() error {
	r.once.Do(func() { close(r.closed) })
	return r.Conn.Close()
}
