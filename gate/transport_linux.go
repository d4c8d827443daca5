package gate

import (
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

// accept hands connections to the loops in turn.
func (t *polling) accept(ctx context.Context) error {
	file, err := t.ln.File() // a second descriptor: the listener's own lets nobody else accept
	t.ln.Close()
	if err != nil {
		return fmt.Errorf("accept connections: %w", err)
	}
	defer file.Close()
	defer context.AfterFunc(ctx, func() { file.Close() })()
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("accept connections: %w", err)
	}
	for n := 0; ; n++ {
		fd, peer, err := acceptOne(raw)
		switch {
		case err == nil:
			t.loops[n%len(t.loops)].add(fd, peer)
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ECONNABORTED):
		case scarce(err):
			t.gate.metrics.scarce.Add(1)
			rest(ctx, acceptPause)
		default:
			return fmt.Errorf("accept connections: %w", err)
		}
	}
}

// acceptOne parks in the runtime until somebody connects.
func acceptOne(raw syscall.RawConn) (fd int, peer netip.AddrPort, err error) {
	var from unix.Sockaddr
	gone := raw.Read(func(ln uintptr) bool {
		for {
			fd, from, err = unix.Accept4(int(ln), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	if gone != nil {
		return -1, peer, gone
	}
	if err != nil {
		return -1, peer, err
	}
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // slower without, not wrong
	return fd, addrPort(from), nil
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
