package gate

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"waybill/internal/wire"
	"waybill/schemas"
)

// deafFacts takes everything and says nothing.
type deafFacts struct{ placed }

func (deafFacts) Report(*schemas.Event, []byte, bool, func(schemas.Position, error)) error {
	return nil
}

type deafSocket struct{}

func (deafSocket) send([]byte) error { return nil }
func (deafSocket) finish()           {}
func (deafSocket) abort()            {}
func (deafSocket) release()          {}

// live is a connection that has logged in, without socket and log.
func live(t testing.TB, g *Gate) *conn {
	c := g.newConn(deafSocket{}, peerOf(&net.TCPAddr{}))
	c.receive(loginFrame(t, "ann", 0))
	c.entryLogged(1, nil)
	if c.state != stateLive {
		t.Fatal("the login did not succeed")
	}
	return c
}

// TestAllocations: what happens for each push and each frame allocates nothing
// in the gate, but for the ack's way back.
func TestAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector makes pools forget")
	}
	g := newTestGate(t, deafFacts{})
	g.incarnation.Store(7)
	c := live(t, g)
	o := &obeyer{gate: g}
	cmd := tellPush(0, 0, strings.Repeat("x", 200))
	cmd.Gate, cmd.Incarnation, cmd.Connection = 2, 7, c.number
	cmd.TraceId = make([]byte, 16)
	push := func() {
		cmd.Previous, cmd.Position = cmd.Position, cmd.Position+1
		o.add(cmd)
		o.run()
	}
	heartbeat := wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat}, nil, nil)
	ack := wire.AppendAck(nil, wire.AckBody{})
	frame := []byte{}
	acked := func() {
		push()
		frame = wire.AppendAck(frame[:0], wire.AckBody{Cursor: cmd.Position})
		c.receive(frame)
		c.ackLogged(1, nil)
	}
	for name, x := range map[string]struct {
		f    func()
		most float64
	}{
		"a push and its ack":           {acked, 1},
		"push":                         {push, 0},
		"heartbeat":                    {func() { c.receive(heartbeat) }, 0},
		"an ack that says nothing new": {func() { c.receive(ack) }, 0},
	} {
		if got := testing.AllocsPerRun(1000, x.f); got > x.most {
			t.Errorf("%s: %v allocations, at most %v", name, got, x.most)
		}
	}
}

// BenchmarkPush is the gate's own work for a push, without log and socket.
func BenchmarkPush(b *testing.B) {
	for _, connections := range []int{1, 1000} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) { benchmarkPush(b, connections) })
	}
}

func benchmarkPush(b *testing.B, connections int) {
	const batch = 500
	g := newTestGate(b, deafFacts{})
	g.incarnation.Store(7)
	for range connections {
		live(b, g)
	}
	o := &obeyer{gate: g}
	cmds := make([]*schemas.Command, batch)
	for i := range cmds {
		cmds[i] = tellPush(0, 0, strings.Repeat("x", 200))
		cmds[i].Gate, cmds[i].Incarnation = 2, 7
	}
	b.ReportAllocs()
	position := uint64(0)
	for b.Loop() {
		for _, cmd := range cmds {
			position++
			cmd.Position, cmd.Connection = position, position%uint64(connections)+1
			o.add(cmd)
		}
		o.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/push")
}

// BenchmarkIdle opens 5,000 connections, logs them in and reports what each
// costs the gate in heap and stacks. The devices' own sockets are plain
// descriptors, kept out of the count as far as Go allows.
func BenchmarkIdle(b *testing.B) {
	const connections = 5000
	facts := newPromptFacts(b)
	g := newTestGate(b, forgetful{facts})
	g.incarnation.Store(7)
	address := serveNative(b, g)
	for b.Loop() {
		devices := make([]net.Conn, connections)
		before := memory()
		dialAll(b, address, devices)
		each := float64(memory()-before) / connections
		b.ReportMetric(each, "B/pair")
		b.ReportMetric(each-dialedCost(b), "B/connection")
		if g.Connections() < connections {
			b.Fatalf("%d of %d connections", g.Connections(), connections)
		}
		for _, nc := range devices {
			nc.Close()
		}
	}
}

// forgetful keeps no events.
type forgetful struct{ *promptFacts }

func (f forgetful) Report(_ *schemas.Event, _ []byte, _ bool, done func(schemas.Position, error)) error {
	if done != nil {
		f.dones <- done
	}
	return nil
}

func dialAll(b testing.TB, address string, devices []net.Conn) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(16)
	for i := range devices {
		group.Go(func() error {
			nc, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			devices[i] = nc
			d := &device{t: b, nc: nc}
			d.login(fmt.Sprintf("user-%06d", i), 0)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// dialedCost is what a connection costs on the device's side in this process.
func dialedCost(b *testing.B) float64 {
	const connections = 2000
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	pairs := make([]net.Conn, 0, 2*connections)
	before := memory()
	for range connections {
		out, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		in, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		pairs = append(pairs, in, out)
	}
	cost := float64(memory()-before) / (2 * connections)
	for _, nc := range pairs {
		nc.Close()
	}
	return cost
}

// memory is heap and stacks in use after a collection.
func memory() int64 {
	runtime.GC()
	runtime.GC() // the first one moves the pools aside, the second frees them
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestConnIsSmall: the struct that every connection costs; see BenchmarkIdle
// for all of it.
func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 384 {
		t.Errorf("conn has %d bytes, at most 384 (a size class of Go's heap)", size)
	}
}

// BenchmarkPushSockets is BenchmarkPush with real sockets, whose devices read
// in this process: most of it is the kernel's.
func BenchmarkPushSockets(b *testing.B) {
	const connections, batch = 200, 500
	facts := newPromptFacts(b)
	g := newTestGate(b, forgetful{facts})
	g.incarnation.Store(7)
	devices := make([]net.Conn, connections)
	dialAll(b, serveNative(b, g), devices)
	for _, nc := range devices {
		go func() { _, _ = io.Copy(io.Discard, nc) }()
	}
	b.Cleanup(func() {
		for _, nc := range devices {
			nc.Close()
		}
	})
	o := &obeyer{gate: g}
	position := uint64(0)
	for b.Loop() {
		for range batch {
			position++
			cmd := tellPush(position, 0, strings.Repeat("x", 200))
			cmd.Gate, cmd.Incarnation, cmd.Connection = 2, 7, position%connections+1
			o.add(cmd)
		}
		o.run()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/push")
}
