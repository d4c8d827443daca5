package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// TestStorm: devices on real sockets whose gate keeps dropping them, refuses
// logins and uplinks, and repeats pushes. Each push is handled once and in
// order; each uplink is in the log once and in order.
func TestStorm(t *testing.T) {
	const devices, pushes, uplinks = 20, 300, 100
	var wg sync.WaitGroup
	for n := range devices {
		wg.Go(func() {
			g := newStormGate(t, uint64(n), pushes)
			defer g.stop()
			g.check(uplinks)
		})
	}
	wg.Wait()
}

// stormGate is a log of pushes for one device and a gate that behaves badly.
type stormGate struct {
	t        *testing.T
	listener net.Listener
	last     uint64 // position of the last push
	serving  sync.WaitGroup

	mu      sync.Mutex
	rand    *rand.Rand
	mark    uint64   // highest uplink sequence that is logged
	logged  []string // uplinks, each once
	acked   uint64
	failing bool
}

func newStormGate(t *testing.T, seed, pushes uint64) *stormGate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
	}
	g := &stormGate{t: t, listener: l, last: pushes, rand: rand.New(rand.NewPCG(seed, 1)), failing: true}
	g.serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			g.serving.Go(func() { g.serve(nc) })
		}
	})
	return g
}

func (g *stormGate) stop() {
	g.listener.Close()
	g.serving.Wait()
}

// chance is true once in n, while faults are on.
func (g *stormGate) chance(n int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failing && g.rand.IntN(n) == 0
}

// serve logs one device in, writes what it is owed, and answers.
func (g *stormGate) serve(nc net.Conn) {
	c := &gateConn{t: g.t, nc: nc, frames: make(chan frame, 10_000)}
	go c.readAll()
	defer c.gone()
	defer nc.Close()
	f, ok := <-c.frames
	if !ok {
		return
	}
	if g.chance(5) {
		_, _ = nc.Write(wire.AppendResponse(nil, f.Header, uint16(schemas.Reason_REASON_BUSY), nil))
		return
	}
	welcome := welcome()
	welcome.Address = g.listener.Addr().String()
	if _, err := nc.Write(wire.AppendResponse(nil, f.Header, 0, marshal(g.t, welcome))); err != nil {
		return
	}
	g.serving.Go(func() { g.writeSeries(nc, g.cursorOf(f)) })
	g.answerAll(c)
}

func (g *stormGate) cursorOf(f frame) uint64 {
	if f.Command == wire.CmdLogin {
		var m schemas.Login
		unmarshal(g.t, f.payload, &m)
		return m.Hello.Cursor
	}
	var m schemas.Resume
	unmarshal(g.t, f.payload, &m)
	return m.Hello.Cursor
}

func (g *stormGate) writeSeries(nc net.Conn, cursor uint64) {
	for p := cursor + 1; p <= g.last; p++ {
		if _, err := nc.Write(pushFrame(p, wire.FlagAgain*wire.Flags(p%2))); err != nil {
			return
		}
		if g.chance(40) {
			nc.Close()
			return
		}
	}
	b := wire.AppendPush(nil, wire.Header{Command: wire.CmdResumed}, wire.PushPrefix{Position: g.last}, nil)
	_, _ = nc.Write(b) // a device that has gone comes again
}

func (g *stormGate) answerAll(c *gateConn) {
	var refused uint64
	for f := range c.frames {
		switch {
		case f.Kind == wire.KindAck:
			a, _ := wire.ParseAckBody(f.payload)
			g.mu.Lock()
			g.acked = a.Cursor
			g.mu.Unlock()
			continue
		case f.Family == wire.FamilySession:
			_, _ = c.nc.Write(wire.AppendResponse(nil, f.Header, 0, nil))
			continue
		}
		if g.chance(30) {
			return
		}
		reason, lost := g.uplink(f, &refused)
		if lost {
			return // logged, but the ack does not arrive
		}
		b := wire.AppendUplinkAck(nil, f.Header)
		if reason != 0 {
			b = wire.AppendResponse(nil, f.Header, uint16(reason), marshal(g.t, &schemas.Error{Reason: reason, RetryAfter: 1}))
		}
		_, _ = c.nc.Write(b)
	}
}

// uplink logs one, or refuses it by the rule of docs/protocol.md §8.
func (g *stormGate) uplink(f frame, refused *uint64) (reason schemas.Reason, lost bool) {
	p, body, _ := wire.ParseUplinkPrefix(f.payload)
	if *refused != 0 && f.Sequence > *refused && p.Lowest <= *refused {
		return schemas.Reason_REASON_UPLINK_HELD, false
	}
	if g.chance(10) {
		*refused = f.Sequence
		return schemas.Reason_REASON_BUSY, false
	}
	*refused = 0
	g.mu.Lock()
	if f.Sequence > g.mark {
		g.mark = f.Sequence
		g.logged = append(g.logged, string(body))
	}
	g.mu.Unlock()
	return 0, g.chance(30)
}

// check runs a device against the gate and compares what both saw.
func (g *stormGate) check(uplinks int) {
	var handled []uint64
	all := make(chan struct{})
	c, err := New(Config{
		Addresses:   []string{g.listener.Addr().String()},
		Token:       func(context.Context) (string, error) { return "t", nil },
		BackoffBase: time.Millisecond, BackoffCap: 5 * time.Millisecond,
		Handler: func(_ context.Context, p Push) error {
			if g.chance(60) {
				return fmt.Errorf("broken on %d", p.Position)
			}
			if handled = append(handled, p.Position); p.Position == g.last {
				close(all)
			}
			return nil
		},
	})
	if err != nil {
		g.t.Error(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	var want []string
	for n := range uplinks {
		want = append(want, fmt.Sprint(n))
		if err := c.Send(ctx, 9, 0, []byte(want[n])); err != nil {
			g.t.Errorf("send %d: %v", n, err)
		}
	}
	<-all
	cancel()
	if err := <-ended; err != nil {
		g.t.Error(err)
	}
	g.compare(handled, want)
}

func (g *stormGate) compare(handled []uint64, uplinks []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, p := range handled {
		if p != uint64(i+1) {
			g.t.Errorf("application got %v", handled)
			break
		}
	}
	if len(handled) != int(g.last) {
		g.t.Errorf("application got %d pushes of %d", len(handled), g.last)
	}
	if !slices.Equal(g.logged, uplinks) {
		g.t.Errorf("the log has uplinks %v, want %v", g.logged, uplinks)
	}
}
