package gate

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"waybill/schemas"
)

// loop waits for many sockets with one goroutine. Its epoll descriptor stands
// itself in the runtime's poller, so that no thread waits with it.
//
// Events are edge-triggered: the kernel tells of a socket once, when something
// comes, and looks at it no second time. Whoever reads less than there is must
// note it in more; a socket that is written to the brim is armed (see fdSocket).
type loop struct {
	gate  *Gate
	epoll *os.File
	raw   syscall.RawConn
	fd    int

	// Owned by run.
	events [256]unix.EpollEvent
	more   []*fdSocket // may have more to read than was read: next in turn, each once

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

// run handles events until ctx ends, then closes every socket. All its turns
// happen inside one Read of the runtime, which keeps an edge that comes during a
// turn: the next wait returns at once.
func (l *loop) run(ctx context.Context) error {
	defer l.epoll.Close()
	defer l.closeAll()
	stop := context.AfterFunc(ctx, func() { _ = l.epoll.SetReadDeadline(time.Now()) }) // wakes Read
	defer stop()
	buf := &readBuffer{loop: l}
	var failed error
	gone := l.raw.Read(func(uintptr) (over bool) {
		over, failed = l.turns(ctx, buf)
		return over
	})
	if err := cmp.Or(failed, gone); err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	return nil
}

// turns handles what is ready until nothing is, and says whether those were the
// last ones.
func (l *loop) turns(ctx context.Context, buf *readBuffer) (over bool, err error) {
	for {
		more, err := l.turn(buf)
		if err != nil || ctx.Err() != nil {
			return true, err
		}
		if !more {
			return false, nil
		}
		runtime.Gosched() // those who accept and write have something to do too
	}
}

// turn handles what is ready and says whether more may be. Fewer events than
// there is room for are all of them: what comes later is an edge of its own.
func (l *loop) turn(buf *readBuffer) (again bool, err error) {
	n, err := epollWait(l.fd, l.events[:])
	if err != nil {
		return false, err
	}
	defer buf.put()
	more := l.more
	l.more = nil
	for i := range l.events[:n] {
		l.handle(&l.events[i], buf)
	}
	for _, s := range more {
		l.read(s, buf)
	}
	return n == len(l.events) || len(l.more) > 0, nil
}

// handle takes one event. A descriptor has at most one in a batch, so one that
// was closed and given out again meanwhile is never mistaken for its successor.
func (l *loop) handle(e *unix.EpollEvent, buf *readBuffer) {
	s := l.socket(int(e.Fd))
	if s == nil {
		return
	}
	s.ended = s.ended || e.Events&hangUp != 0
	if e.Events&unix.EPOLLOUT != 0 {
		s.writable()
	}
	if e.Events&^unix.EPOLLOUT != 0 && !s.more { // else its turn comes anyway
		l.read(s, buf)
	}
}

// hangUp says that the peer's bytes end: reading goes on until it has found out.
const hangUp = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR

// read reads once, and notes a socket that may have more: it comes after those
// that are ready meanwhile, so that it starves none of them.
func (l *loop) read(s *fdSocket, buf *readBuffer) {
	if s.more = s.readable(buf); s.more {
		l.more = append(l.more, s)
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
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // slower without, not wrong
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
	err := l.ctl(unix.EPOLL_CTL_ADD, fd, 0)
	l.mu.Unlock()
	if err != nil {
		s.conn.gone(schemas.Reason_REASON_IO_ERROR)
	}
}

// ctl changes what the loop waits for, beside what it always does. What is true
// already when it is called is told as well.
func (l *loop) ctl(op, fd int, also uint32) error {
	const always = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	return unix.EpollCtl(l.fd, op, fd, &unix.EpollEvent{Events: always | also, Fd: int32(fd)})
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
