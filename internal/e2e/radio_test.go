package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// coverage is the network as one phone has it: a seed decides after how many
// reads a connection breaks, and whether the phone learns of it at once (cut)
// or drives through a tunnel first (muted: what is sent vanishes, what arrives
// is lost, and neither side is told).
type coverage struct {
	mu     sync.Mutex
	rng    *rand.Rand // nil = nothing breaks by itself
	tunnel bool       // no coverage: dialing fails
	conns  map[*radio]bool
	cuts   int
	mutes  int
}

var errNoCoverage = errors.New("no coverage")

// dial is the Dial hook of a phone.
func (c *coverage) dial(ctx context.Context, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tunnel {
		return nil, errors.Join(errNoCoverage, nc.Close())
	}
	r := &radio{Conn: nc, cover: c, left: -1, closed: make(chan struct{})}
	if c.rng != nil {
		r.left = 1 + c.rng.IntN(8)
	}
	if c.conns == nil {
		c.conns = make(map[*radio]bool)
	}
	c.conns[r] = true
	return r, nil
}

// breakDown is called when a connection's reads are used up.
func (c *coverage) breakDown(r *radio) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rng == nil {
		return
	}
	if c.rng.IntN(3) > 0 {
		c.cuts++
		r.shut()
		return
	}
	c.mutes++
	r.mute()
	// The end of this tunnel; calm ends all of them.
	time.AfterFunc(time.Duration(50+c.rng.IntN(950))*time.Millisecond, r.shut)
}

// troubles there were: connections that were cut, and lost in a tunnel.
func (c *coverage) troubles() (cuts, mutes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts, c.mutes
}

// calm ends all trouble: from now on nothing breaks by itself.
func (c *coverage) calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rng = nil
	for r := range c.conns {
		if r.isMuted() {
			r.shut()
		}
	}
}

// cut breaks the connection there is.
func (c *coverage) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.conns {
		r.shut()
	}
}

// enter takes the coverage away until leave.
func (c *coverage) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnel = true
	for r := range c.conns {
		r.mute()
	}
}

func (c *coverage) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnel = false
	for r := range c.conns {
		if r.isMuted() {
			r.shut()
		}
	}
}

func (c *coverage) forget(r *radio) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, r)
}

// radio is one connection over the air.
type radio struct {
	net.Conn
	cover  *coverage
	left   int // reads until it breaks; owned by the reader; < 0 = never
	once   sync.Once
	closed chan struct{} // closed with the connection

	mu    sync.Mutex
	muted bool
}

func (r *radio) mute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.muted = true
}

func (r *radio) isMuted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.muted
}

// Read loses what arrives without coverage.
func (r *radio) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if r.left > 0 {
		if r.left--; r.left == 0 {
			r.cover.breakDown(r)
		}
	}
	if r.isMuted() {
		<-r.closed
		return 0, net.ErrClosed
	}
	return n, err
}

// Write loses what is sent without coverage.
func (r *radio) Write(b []byte) (int, error) {
	if r.isMuted() {
		return len(b), nil
	}
	return r.Conn.Write(b)
}

// shut closes the connection under the phone.
func (r *radio) shut() {
	r.once.Do(func() { close(r.closed) })
	_ = r.Conn.Close()
}

// Close is the phone's.
func (r *radio) Close() error {
	r.shut()
	r.cover.forget(r)
	return nil
}
