package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"waybill/schemas"
)

// loop waits for many sockets with one goroutine. Its epoll descriptor stands
// itself in the runtime's poller, so that no thread waits with it.
type loop struct {
	gate   *Gate
	epoll  *os.File
	raw    syscall.RawConn
	fd     int
	events [256]unix.EpollEvent // owned by run

	mu      sync.Mutex
	sockets []*fdSocket // by descriptor; nil where it is not ours
	closed  bool        // nothing is added any more
}

// newLoop opens an epoll descriptor and gives it to the runtime: to Go's own
// poller it is a file that becomes readable when one of its sockets does.
func newLoop(g *Gate) (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // makes the runtime take it
		unix.Close(fd)
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	l := &loop{gate: g, fd: fd, epoll: os.NewFile(uintptr(fd), "epoll")}
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		l.epoll.Close()
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	return l, nil
}

// run handles events until ctx ends, then closes every socket.
func (l *loop) run(ctx context.Context) error {
	defer l.epoll.Close()
	stop := context.AfterFunc(ctx, func() { _ = l.epoll.SetReadDeadline(time.Now()) }) // wakes wait
	defer stop()
	buf := &readBuffer{loop: l}
	for {
		n, err := l.wait()
		if ctx.Err() != nil {
			l.closeAll()
			return nil
		}
		if err != nil {
			l.closeAll()
			return fmt.Errorf("wait for sockets: %w", err)
		}
		for i := range l.events[:n] {
			l.handle(&l.events[i], buf)
		}
		buf.put()
	}
}

// wait parks in the runtime until a socket is ready.
func (l *loop) wait() (n int, err error) {
	gone := l.raw.Read(func(fd uintptr) bool {
		for {
			n, err = unix.EpollWait(int(fd), l.events[:], 0)
			if !errors.Is(err, unix.EINTR) {
				return n > 0 || err != nil
			}
		}
	})
	if gone != nil {
		return 0, gone
	}
	return max(n, 0), err
}

// handle takes one event. A descriptor has at most one in a batch, so one that
// was closed and given out again meanwhile is never mistaken for its successor.
func (l *loop) handle(e *unix.EpollEvent, buf *readBuffer) {
	s := l.socket(int(e.Fd))
	if s == nil {
		return
	}
	if e.Events&unix.EPOLLOUT != 0 {
		s.writable()
	}
	if e.Events&^unix.EPOLLOUT != 0 {
		s.readable(buf)
	}
}

// socket is ours with that descriptor, or nil.
func (l *loop) socket(fd int) *fdSocket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if fd >= len(l.sockets) {
		return nil
	}
	return l.sockets[fd]
}

// add takes an accepted descriptor over.
func (l *loop) add(fd int, peer netip.AddrPort) {
	s := &fdSocket{loop: l, fd: fd}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		unix.Close(fd)
		return
	}
	s.conn = l.gate.newConn(s, peer)
	if fd >= len(l.sockets) {
		l.sockets = append(l.sockets, make([]*fdSocket, fd+1-len(l.sockets))...)
	}
	l.sockets[fd] = s
	err := l.ctl(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN)
	l.mu.Unlock()
	if err != nil {
		s.conn.gone(schemas.Reason_REASON_IO_ERROR)
	}
}

// ctl changes what the loop waits for. Events are level-triggered: what a read
// or a write leaves over is reported again, so no socket can starve the others.
func (l *loop) ctl(op, fd int, events uint32) error {
	return unix.EpollCtl(l.fd, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// forget makes room for the next socket with that number; its epoll entry goes
// with the descriptor.
func (l *loop) forget(fd int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sockets[fd] = nil
}

// closeAll ends what a drain left open. The accepting goroutine may still bring
// a socket: add closes it.
func (l *loop) closeAll() {
	l.mu.Lock()
	l.closed = true
	sockets := l.sockets
	l.mu.Unlock()
	for fd := range sockets {
		if s := l.socket(fd); s != nil {
			s.conn.gone(schemas.Reason_REASON_IO_ERROR)
		}
	}
}
