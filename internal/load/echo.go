package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"waybill/internal/wire"
)

// ServeEcho writes back what it reads, a goroutine for each connection, until
// ctx ends: the least that a server in Go can do, and so the yardstick of what
// a machine gives today.
func ServeEcho(ctx context.Context, ln net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		nc, err := ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		conns.Go(func() { echo(ctx, nc) })
	}
}

func echo(ctx context.Context, nc net.Conn) {
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	defer func() { _ = nc.Close() }()
	buf := make([]byte, 4<<10)
	for {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		if _, err := nc.Write(buf[:n]); err != nil {
			return
		}
	}
}

// echoer sends a frame as large as a push, waits for it, sends the next.
type echoer struct {
	sock  *sock
	meter *meter
	frame []byte
	at    int64
	err   *error
}

func (e *echoer) send(now int64) {
	e.at = now
	e.sock.write(e.frame)
}

func (e *echoer) take(now int64, b []byte) []byte {
	for len(b) >= len(e.frame) {
		b = b[len(e.frame):]
		e.meter.record(e.at, now)
		e.send(now)
	}
	return b
}

func (e *echoer) gone(err error) {
	if *e.err == nil {
		*e.err = err
	}
}

// Echo runs frames against an echo server at address: as many connections as
// there would be devices, one frame on its way on each.
func Echo(ctx context.Context, cfg Config, address string) (Run, error) {
	if err := cfg.check(); err != nil {
		return Run{}, err
	}
	p, err := newPoller()
	if err != nil {
		return Run{}, err
	}
	working, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.run(working) // what broke the poller broke the connections too
	}()
	defer func() { stop(); <-done }()
	m, broken := newMeter(), error(nil)
	frame := wire.AppendPush(nil, wire.Header{Family: family}, wire.PushPrefix{}, filler(cfg.Body))
	for range cfg.Devices {
		fd, err := dial(ctx, address)
		if err != nil {
			return Run{}, err
		}
		e := &echoer{meter: m, frame: frame, err: &broken}
		p.do(func() { e.attach(p, fd) })
	}
	s := &Session{cfg: cfg, fleet: &fleet{poller: p}, procs: processes{roots: cfg.PIDs}}
	run, err := s.measure(ctx, m)
	s.fleet.ask(func() { err = errors.Join(err, broken) })
	return run, err
}

func (e *echoer) attach(p *poller, fd int) {
	s, err := p.add(fd, e)
	if err != nil {
		e.gone(err)
		return
	}
	e.sock = s
	e.send(time.Now().UnixNano())
}
