package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// maxLoops is how many loops share the connections at most: a loop is one
// goroutine, and all that it does for a frame is done on it.
const maxLoops = 4

// polling is the transport of epoll loops. The listener stays with Go's
// runtime; what it accepts never enters there.
type polling struct {
	gate  *Gate
	ln    *net.TCPListener
	loops []*loop
}

// newTransport opens the loops; run starts them.
func newTransport(g *Gate, ln net.Listener) (transport, error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return &streams{gate: g, ln: ln}, nil
	}
	t := &polling{gate: g, ln: tcp}
	for range min(max(runtime.GOMAXPROCS(0), 1), maxLoops) {
		l, err := newLoop(g)
		if err != nil {
			t.close()
			return nil, err
		}
		t.loops = append(t.loops, l)
	}
	return t, nil
}

// close gives back what newTransport had opened when it fails.
func (t *polling) close() {
	for _, l := range t.loops {
		l.epoll.Close()
	}
}

// run ends when all loops have.
func (t *polling) run(ctx context.Context) error {
	var g errgroup.Group
	for _, l := range t.loops {
		g.Go(func() error { return l.run(ctx) })
	}
	return g.Wait()
}

// accept hands connections to the loops in turn. In a storm more come than can
// be handed over at once, and a queue of the kernel's that is full costs its
// devices a second each: so what is there is taken out first, and looked for
// again after every few that are handed over.
func (t *polling) accept(ctx context.Context) error {
	raw, end, err := t.listener(ctx)
	if err != nil {
		return fmt.Errorf("accept connections: %w", err)
	}
	defer end()
	var q newcomers
	defer q.close()
	for n := 0; ; {
		err := q.take(raw)
		for range min(len(q.waiting), handOver) {
			c := q.next()
			t.loops[n%len(t.loops)].add(c.fd, c.peer)
			n++
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil, errors.Is(err, unix.ECONNABORTED):
		case scarce(err):
			t.gate.metrics.scarce.Add(1)
			if len(q.waiting) == 0 {
				rest(ctx, acceptPause)
			}
		default:
			return fmt.Errorf("accept connections: %w", err)
		}
	}
}

// listener makes a second descriptor, since the listener's own lets nobody else
// accept. It ends with ctx.
func (t *polling) listener(ctx context.Context) (raw syscall.RawConn, end func(), err error) {
	file, err := t.ln.File()
	t.ln.Close()
	if err != nil {
		return nil, nil, err
	}
	if raw, err = file.SyscallConn(); err != nil {
		file.Close()
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { file.Close() })
	return raw, func() { stop(); file.Close() }, nil
}

const (
	// handOver is how many are handed over before the kernel is asked again: a
	// fraction of a millisecond.
	handOver = 64
	// mostWaiting bounds what is accepted and not handed over: a few times the
	// kernel's own queue.
	mostWaiting = 16 << 10
)

// newcomers have been accepted and wait for a loop.
type newcomers struct{ waiting []newcomer }

type newcomer struct {
	fd   int
	peer netip.AddrPort
}

// take accepts all that the kernel has, and waits for one if there is none.
func (q *newcomers) take(raw syscall.RawConn) (err error) {
	gone := raw.Read(func(ln uintptr) bool {
		for err == nil && len(q.waiting) < mostWaiting {
			err = q.takeOne(int(ln))
		}
		if !errors.Is(err, unix.EAGAIN) {
			return true
		}
		err = nil
		return len(q.waiting) > 0
	})
	return cmp.Or(err, gone)
}

// takeOne accepts one, or says why not.
func (q *newcomers) takeOne(ln int) error {
	fd, from, err := unix.Accept4(ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch {
	case errors.Is(err, unix.EINTR):
		return nil
	case err != nil:
		return err
	}
	q.waiting = append(q.waiting, newcomer{fd, addrPort(from)})
	return nil
}

// next is the one that waits longest.
func (q *newcomers) next() newcomer {
	c := q.waiting[0]
	if q.waiting = q.waiting[1:]; len(q.waiting) == 0 {
		q.waiting = nil // a storm leaves no memory behind
	}
	return c
}

// close ends those that no loop will have.
func (q *newcomers) close() {
	for _, c := range q.waiting {
		_ = unix.Close(c.fd) // nothing is left to be written
	}
}

// addrPort shows an IPv4 address as such, whatever the listener is.
func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
	}
	return netip.AddrPort{}
}
