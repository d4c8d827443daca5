// Package radio is the network as one phone has it: connections that break
// after a while, at once or unnoticed, places without coverage, and what the SDK
// says of all that.
package radio

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Troubles say how bad the coverage is. The zero value is a good one.
type Troubles struct {
	// Reads after which a connection breaks, from 1 on; 0 = never.
	Reads int
	// Tunnel bounds how long a connection that is lost unnoticed stays so.
	Tunnel time.Duration
	// Elsewhere are addresses to which every third dial goes instead: the phone
	// has moved.
	Elsewhere []string
}

// Coverage breaks the connections that are dialed through it: a seed decides
// after how many reads, and whether the phone learns of it at once (cut) or
// drives through a tunnel first (muted: what is sent vanishes, what arrives is
// lost, and neither side is told).
type Coverage struct {
	mu       sync.Mutex
	rng      *rand.Rand // nil = nothing breaks by itself
	troubles Troubles
	tunnel   bool // no coverage: dialing fails
	conns    map[*conn]bool
	cuts     int
	mutes    int
}

var errNoCoverage = errors.New("no coverage")

// Bad makes the coverage as bad as said, by the seed of rng, until Calm.
func (c *Coverage) Bad(rng *rand.Rand, t Troubles) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rng, c.troubles = rng, t
}

// Dial opens a TCP connection over the air.
func (c *Coverage) Dial(ctx context.Context, address string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", c.moved(address))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tunnel {
		return nil, errors.Join(errNoCoverage, nc.Close())
	}
	r := &conn{Conn: nc, cover: c, left: -1, closed: make(chan struct{})}
	if c.rng != nil && c.troubles.Reads > 0 {
		r.left = 1 + c.rng.IntN(c.troubles.Reads)
	}
	if c.conns == nil {
		c.conns = make(map[*conn]bool)
	}
	c.conns[r] = true
	return r, nil
}

func (c *Coverage) moved(address string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if there := c.troubles.Elsewhere; c.rng != nil && len(there) > 0 && c.rng.IntN(3) == 0 {
		return there[c.rng.IntN(len(there))]
	}
	return address
}

// breakDown is called when a connection's reads are used up.
func (c *Coverage) breakDown(r *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rng == nil {
		return
	}
	if c.rng.IntN(3) > 0 || c.troubles.Tunnel == 0 {
		c.cuts++
		r.shut()
		return
	}
	c.mutes++
	r.mute()
	// The end of this tunnel; Calm ends all of them.
	const shortest = 50 * time.Millisecond
	time.AfterFunc(shortest+time.Duration(c.rng.Int64N(int64(c.troubles.Tunnel))), r.shut)
}

// Count the connections that were cut, and those that were lost in a tunnel.
func (c *Coverage) Count() (cuts, mutes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cuts, c.mutes
}

// Calm ends all trouble: from now on nothing breaks by itself.
func (c *Coverage) Calm() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rng = nil
	c.shutMuted()
}

// Cut breaks the connection there is.
func (c *Coverage) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.conns {
		r.shut()
	}
}

// Enter takes the coverage away until Leave.
func (c *Coverage) Enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnel = true
	for r := range c.conns {
		r.mute()
	}
}

// Leave brings the coverage back; connections that were lost are seen to be.
func (c *Coverage) Leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnel = false
	c.shutMuted()
}

// shutMuted is called with mu held.
func (c *Coverage) shutMuted() {
	for r := range c.conns {
		if r.isMuted() {
			r.shut()
		}
	}
}

func (c *Coverage) forget(r *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, r)
}

// conn is one connection over the air.
type conn struct {
	net.Conn
	cover  *Coverage
	left   int // reads until it breaks; owned by the reader; < 0 = never
	once   sync.Once
	closed chan struct{} // closed with the connection

	mu    sync.Mutex
	muted bool
}

func (r *conn) mute() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.muted = true
}

func (r *conn) isMuted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.muted
}

// Read loses what arrives without coverage.
func (r *conn) Read(b []byte) (int, error) {
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
func (r *conn) Write(b []byte) (int, error) {
	if r.isMuted() {
		return len(b), nil
	}
	return r.Conn.Write(b)
}

// shut closes the connection under the phone.
func (r *conn) shut() {
	r.once.Do(func() { close(r.closed) })
	_ = r.Conn.Close()
}

// Close is the phone's.
func (r *conn) Close() error {
	r.shut()
	r.cover.forget(r)
	return nil
}
