package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// readSize takes a window of pushes to one device in one read.
	readSize = 64 << 10
	// atOnce: a wait that was shorter found what had come while the poller served
	// the round before.
	atOnce = 20 * time.Microsecond
	// tickEvery is how often a poller looks at timers: heartbeats, retries.
	tickEvery = 200 * time.Millisecond
)

// handler is whoever lives at the end of a socket. The poller's goroutine calls
// it, one call at a time.
type handler interface {
	// take is given all bytes that were not used yet and returns those that it
	// leaves for the next call.
	take(now int64, b []byte) (rest []byte)
	// gone is the last call: the socket is closed.
	gone(err error)
}

// poller waits for many sockets with one thread.
type poller struct {
	epoll, event int // descriptors; event wakes the poller for todo
	lag          *readLag
	tick         func(int64) // called every tickEvery
	round        func()      // called after each round of events

	socks map[int]*sock // owned by run
	buf   []byte        // owned by run

	mu     sync.Mutex
	todo   []func() // guarded by mu
	closed bool     // guarded by mu: event may be somebody else's by now
}

// sock is one non-blocking connection, owned by its poller.
type sock struct {
	p    *poller
	fd   int
	h    handler
	part []byte // begun frame
	out  []byte // what could not be written yet
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open epoll: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("open event descriptor: %w", err)
	}
	p := &poller{
		epoll: epoll, event: event, socks: make(map[int]*sock), buf: make([]byte, readSize),
		lag: newReadLag(), tick: func(int64) {}, round: func() {},
	}
	if err := p.control(unix.EPOLL_CTL_ADD, event, unix.EPOLLIN); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) control(op, fd int, events uint32) error {
	if err := unix.EpollCtl(p.epoll, op, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("control epoll: %w", err)
	}
	return nil
}

// do lets f run in the poller's goroutine, unless that has ended.
func (p *poller) do(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.todo = append(p.todo, f)
	if len(p.todo) == 1 {
		p.wake()
	}
}

// wake ends the wait. The caller holds mu.
func (p *poller) wake() {
	if p.closed {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(p.event, one[:]) // fails only when it is awake already
}

// run handles events until ctx ends, then closes every socket.
func (p *poller) run(ctx context.Context) error {
	defer p.close()
	defer context.AfterFunc(ctx, func() { p.do(func() {}) })()
	// A thread of its own, so that the kernel can say how long it waited.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.lag.tid.Store(int64(unix.Gettid()))
	events := make([]unix.EpollEvent, 512)
	var began, ticked int64 // of the newest round; the newest tick
	for ctx.Err() == nil {
		asked := time.Now().UnixNano()
		n, err := unix.EpollWait(p.epoll, events, int(tickEvery/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait for sockets: %w", err)
		}
		since := began
		if began = time.Now().UnixNano(); began-asked > int64(atOnce) {
			since = began
		}
		for i := range events[:max(n, 0)] {
			p.handle(events[i])
		}
		p.round()
		now := time.Now().UnixNano()
		p.lag.round(since, now, n)
		if now-ticked >= int64(tickEvery) {
			ticked = now
			p.tick(now)
		}
	}
	return nil
}

func (p *poller) close() {
	for _, s := range p.socks {
		unix.Close(s.fd)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	unix.Close(p.epoll)
	unix.Close(p.event)
}

func (p *poller) handle(e unix.EpollEvent) {
	if int(e.Fd) == p.event {
		p.runTodo()
		return
	}
	s := p.socks[int(e.Fd)]
	if s == nil {
		return
	}
	if e.Events&unix.EPOLLOUT != 0 {
		s.flush()
	}
	if e.Events&^unix.EPOLLOUT != 0 && s.fd >= 0 {
		s.read()
	}
}

func (p *poller) runTodo() {
	_, _ = unix.Read(p.event, p.buf[:8])
	p.mu.Lock()
	todo := p.todo
	p.todo = nil
	p.mu.Unlock()
	for _, f := range todo {
		f()
	}
}

// add takes a descriptor over; only in the poller's goroutine.
func (p *poller) add(fd int, h handler) (*sock, error) {
	s := &sock{p: p, fd: fd, h: h}
	if err := p.control(unix.EPOLL_CTL_ADD, fd, unix.EPOLLIN); err != nil {
		unix.Close(fd)
		return nil, err
	}
	p.socks[fd] = s
	return s, nil
}

func (s *sock) read() {
	n, err := unix.Read(s.fd, s.p.buf)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil:
		s.end(fmt.Errorf("read: %w", err))
		return
	case n <= 0:
		s.end(io.EOF)
		return
	}
	b := s.p.buf[:n]
	if len(s.part) > 0 {
		b = append(s.part, b...)
	}
	rest := s.h.take(time.Now().UnixNano(), b)
	switch {
	case len(rest) > 0:
		s.part = append(s.part[:0:0], rest...) // rest aliases what is read into next
	case s.part != nil:
		s.part = nil
	}
}

// write sends b, or keeps what the kernel does not take.
func (s *sock) write(b []byte) {
	if s.fd < 0 {
		return
	}
	if len(s.out) == 0 {
		n, err := unix.Write(s.fd, b)
		if err == nil && n == len(b) {
			return
		}
		b = b[max(n, 0):]
		if err := s.p.control(unix.EPOLL_CTL_MOD, s.fd, unix.EPOLLIN|unix.EPOLLOUT); err != nil {
			return // the read that follows finds the socket broken
		}
	}
	s.out = append(s.out, b...)
}

func (s *sock) flush() {
	n, _ := unix.Write(s.fd, s.out) // an error comes again from read
	s.out = s.out[max(n, 0):]
	if len(s.out) == 0 {
		s.out = nil
		_ = s.p.control(unix.EPOLL_CTL_MOD, s.fd, unix.EPOLLIN)
	}
}

// end closes the socket and says so to its handler, once.
func (s *sock) end(err error) {
	if s.fd < 0 {
		return
	}
	delete(s.p.socks, s.fd)
	unix.Close(s.fd)
	s.fd = -1
	s.h.gone(err)
}

// dial connects and takes the descriptor out of the runtime's poller.
func dial(ctx context.Context, address string) (int, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = nc.Close() }()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	fd, dup := -1, error(nil)
	if err = raw.Control(func(held uintptr) { fd, dup = unix.FcntlInt(held, unix.F_DUPFD_CLOEXEC, 0) }); err == nil {
		err = dup
	}
	if err != nil {
		return -1, fmt.Errorf("take over the descriptor: %w", err)
	}
	return fd, nil
}
