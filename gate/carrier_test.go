package gate

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"waybill/internal/wire"
	"waybill/schemas"
)

type carrierFunc func(*Gate, net.Listener) (transport, error)

// carriers are the transports; each test of this file runs on all of them.
var carriers = map[string]carrierFunc{
	"native":  newTransport,
	"streams": func(g *Gate, ln net.Listener) (transport, error) { return &streams{gate: g, ln: ln}, nil },
}

// carried is a gate with a transport and without a log.
type carried struct {
	*Gate
	facts   *promptFacts
	address string
}

func carry(t *testing.T, test func(t *testing.T, g *carried)) { carryQueue(t, 80<<10, test) }

func carryQueue(t *testing.T, queue int, test func(t *testing.T, g *carried)) {
	for name, open := range carriers {
		t.Run(name, func(t *testing.T) {
			facts := newPromptFacts(t)
			g := &carried{Gate: newTestGate(t, facts), facts: facts}
			g.cfg.Queue = queue
			g.incarnation.Store(7)
			g.address = serveOn(t, g.Gate, open)
			test(t, g)
		})
	}
}

// serveNative runs the native transport until the test ends.
func serveNative(t testing.TB, g *Gate) (address string) {
	t.Helper()
	return serveOn(t, g, newTransport)
}

func serveOn(t testing.TB, g *Gate, open carrierFunc) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	carrier, err := open(g, ln)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	wg.Go(func() { check(carrier.run(ctx)) })
	wg.Go(func() { check(carrier.accept(ctx)) })
	wg.Go(func() { g.tick(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return address
}

func (g *carried) push(position, previous uint64, size int) {
	o := obeyer{gate: g.Gate}
	cmd := pushAt(position, previous)
	cmd.Gate, cmd.Incarnation, cmd.Connection, cmd.Family = 2, 7, g.numbers.Load(), 5
	cmd.Body = []byte(strings.Repeat("x", size))
	o.add(cmd)
	o.run()
}

func TestCarriersPutFramesTogether(t *testing.T) {
	carry(t, func(t *testing.T, g *carried) {
		d := dial(t, g.address)
		frame := loginFrame(t, "ann", 0)
		for i := range frame {
			d.write(frame[i : i+1])
		}
		d.welcome(wire.CmdLogin)
		var many []byte
		for i := range 500 {
			many = wire.AppendFrame(many, wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: uint64(i)}, nil, nil)
		}
		d.write(many)
		for i := range 500 {
			if h, _ := d.expect(wire.KindResponse, wire.CmdHeartbeat); h.Sequence != uint64(i) {
				t.Fatalf("answer %d has sequence %d", i, h.Sequence)
			}
		}
		large := wire.AppendUplink(nil, wire.Header{Family: 5, Sequence: 900, Flags: wire.FlagOneWay}, wire.UplinkPrefix{Lowest: 900}, make([]byte, 60<<10))
		d.write(large)
		d.expect(wire.KindAck, 0)
	})
}

func TestCarriersTellTheEnd(t *testing.T) {
	carry(t, func(t *testing.T, g *carried) {
		d := dial(t, g.address)
		d.login("ann", 0)
		d.nc.Close()
		g.facts.await(t, "disconnected", ended(schemas.Reason_REASON_PEER_CLOSED, "ann"))

		d = dial(t, g.address)
		d.login("bob", 0)
		if err := d.nc.(*net.TCPConn).SetLinger(0); err != nil { // a reset
			t.Fatal(err)
		}
		d.nc.Close()
		g.facts.await(t, "disconnected", ended(schemas.Reason_REASON_IO_ERROR, "bob"))
	})
}

// TestCarriersSlowReader: a device that does not read loses its connection and
// costs the others nothing.
func TestCarriersSlowReader(t *testing.T) {
	carry(t, func(t *testing.T, g *carried) {
		other := dial(t, g.address)
		other.login("bob", 0)
		slow := dial(t, g.address)
		slow.login("ann", 0)
		number := g.numbers.Load()
		for p := uint64(1); g.table.get(number) != nil; p++ {
			if p > 10_000 {
				t.Fatal("its queue is never full")
			}
			g.push(p, p-1, 32<<10)
		}
		g.facts.await(t, "disconnected", ended(schemas.Reason_REASON_QUEUE_FULL, "ann"))
		other.echo()
	})
}

// TestCarriersDrainTheQueue: what the kernel does not take at once comes, in
// order, when the device reads.
func TestCarriersDrainTheQueue(t *testing.T) {
	carryQueue(t, 64<<20, func(t *testing.T, g *carried) {
		d := dial(t, g.address)
		d.login("ann", 0)
		const pushes = 600 // 19 MB: more than any socket's buffers
		for p := uint64(1); p <= pushes; p++ {
			g.push(p, p-1, 32<<10)
		}
		for want := uint64(1); want <= pushes; want++ {
			_, payload := d.expect(wire.KindPush, 0)
			if p, _, err := wire.ParsePushPrefix(payload); err != nil || p.Position != want {
				t.Fatalf("got position %d, want %d (%v)", p.Position, want, err)
			}
		}
		d.echo()
	})
}

func TestCarriersFaultsTouchNobodyElse(t *testing.T) {
	login := func(t *testing.T) []byte { return loginFrame(t, "ann", 0) }
	request := func(command uint16, body []byte) func(t *testing.T) []byte {
		return func(*testing.T) []byte {
			return wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: command, Sequence: 2}, nil, body)
		}
	}
	bytes := func(b ...byte) func(t *testing.T) []byte { return func(*testing.T) []byte { return b } }
	carry(t, func(t *testing.T, g *carried) {
		other := dial(t, g.address)
		other.login("bob", 0)
		for name, c := range map[string]struct {
			first bool // log in before
			bytes func(t *testing.T) []byte
			want  schemas.Reason
		}{
			"garbage":         {false, bytes([]byte("GET / HTTP/1.1\r\n\r\n")...), schemas.Reason_REASON_UNKNOWN_VERSION},
			"unknown version": {true, bytes(9, 1, 0, 0), schemas.Reason_REASON_UNKNOWN_VERSION},
			"unknown kind":    {true, bytes(1, 9, 0, 0), schemas.Reason_REASON_BAD_FRAME},
			"unknown flag":    {true, bytes(1, 1, 0x40, 0), schemas.Reason_REASON_UNKNOWN_FLAG},
			"too large":       {true, bytes(1, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1), schemas.Reason_REASON_FRAME_TOO_LARGE},
			"no protobuf":     {true, request(wire.CmdHeartbeat, []byte{0xff, 0xff}), schemas.Reason_REASON_BAD_BODY},
			"second login":    {true, login, schemas.Reason_REASON_SECOND_LOGIN},
			"before login":    {false, request(wire.CmdHeartbeat, nil), schemas.Reason_REASON_NOT_LOGGED_IN},
		} {
			t.Run(name, func(t *testing.T) {
				d := dial(t, g.address)
				if c.first {
					d.login("ann", 0)
				}
				d.write(c.bytes(t))
				if h, payload := d.expect(wire.KindPush, wire.CmdError); !strings.Contains(describeFrame(h, payload), c.want.Word()) {
					t.Errorf("the error says %s", describeFrame(h, payload))
				}
				d.expectClose(c.want)
				other.echo()
			})
		}
	})
}

// TestCarriersManyConnections come, talk and go at once.
func TestCarriersManyConnections(t *testing.T) {
	carry(t, func(t *testing.T, g *carried) {
		var wg sync.WaitGroup
		for i := range 200 {
			d := dial(t, g.address)
			wg.Go(func() {
				d.login(fmt.Sprintf("user-%d", i), 0)
				d.echo()
			})
		}
		wg.Wait()
		if n := g.Connections(); n != 200 {
			t.Errorf("the gate holds %d connections, want 200", n)
		}
		for _, c := range g.wheel.all() {
			c.shutdown(schemas.Reason_REASON_GATE_STOPPING)
		}
		for i := range 200 {
			g.facts.await(t, "disconnected", ended(schemas.Reason_REASON_GATE_STOPPING, fmt.Sprintf("user-%d", i)))
		}
	})
}

// TestCarriersReadToTheEnd: what a device writes right before it closes counts,
// also where it is more than one read takes.
func TestCarriersReadToTheEnd(t *testing.T) {
	carryQueue(t, 8<<20, func(t *testing.T, g *carried) {
		for _, frames := range []int{1, 500, 5000} { // 5000 are 160 KB
			user := fmt.Sprintf("ann-%d", frames)
			d := dial(t, g.address)
			d.login(user, 0)
			var many []byte
			for range frames {
				many = wire.AppendAck(many, wire.AckBody{})
			}
			d.write(many)
			d.nc.Close()
			e := g.facts.await(t, "disconnected", ended(schemas.Reason_REASON_PEER_CLOSED, user))
			if got := int(e.Disconnected.Traffic.FramesIn); got != frames+1 {
				t.Errorf("%d frames were read, want %d", got, frames+1)
			}
		}
	})
}
