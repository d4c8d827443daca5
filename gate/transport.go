package gate

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// transport accepts connections and carries their bytes. On Linux it is an
// epoll loop of our own (epoll_linux.go), which holds no goroutine for an idle
// connection; elsewhere, and in tests without sockets, goroutines (stream.go).
type transport interface {
	// accept takes connections until ctx ends, then closes the listener.
	accept(ctx context.Context) error
	// run carries bytes until ctx ends, then closes what is still open.
	run(ctx context.Context) error
}

// readSize is how much one read takes, and the most that a connection costs
// while its frame is cut: a few times a usual batch of acks and uplinks.
const readSize = 16 << 10

// acceptPause is how long accepting rests when there are no descriptors or no
// memory: long enough to close some, short for a device that waits.
const acceptPause = 50 * time.Millisecond

// scarce says that accepting may work again later.
func scarce(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// rest waits, or returns false when ctx ends.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// peerOf is the device's address as far as there is one.
func peerOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	return netip.AddrPort{}
}
