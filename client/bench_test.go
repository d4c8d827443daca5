package client

import (
	"context"
	"net"
	"runtime"
	"testing"

	"waybill/internal/wire"
)

// BenchmarkPushes: one device on a real socket that is written a window at a
// time; the gate waits for the cursor in between.
func BenchmarkPushes(b *testing.B) {
	const window = 32
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	runQuiet(ctx, b, l.Addr().String(), ended)
	c := acceptBare(b, l)
	b.ReportAllocs()
	b.ResetTimer()
	var position, acks uint64
	for position < uint64(b.N) {
		var burst []byte
		for range window {
			position++
			burst = append(burst, pushFrame(position, 0)...)
		}
		if _, err := c.nc.Write(burst); err != nil {
			b.Fatal(err)
		}
		for cursor := uint64(0); cursor < position; acks++ {
			a, _ := wire.ParseAckBody((<-c.frames).payload)
			cursor = a.Cursor
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(acks)/float64(position), "acks/push")
	cancel()
	<-ended
	c.gone()
}

// BenchmarkIdle reports what a connected client costs beside its socket, the
// gate's end included.
func BenchmarkIdle(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	before := memory()
	for range b.N {
		runQuiet(ctx, b, l.Addr().String(), ended)
		nc, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { nc.Close() })
		part := make([]byte, 1024)
		n, _ := nc.Read(part)
		h, _, _, err := wire.Next(part[:n], 1024)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := nc.Write(wire.AppendResponse(nil, h, 0, marshal(b, welcome()))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(memory()-before)/float64(b.N), "B/client")
	cancel()
	for range b.N {
		<-ended
	}
}

func runQuiet(ctx context.Context, b *testing.B, address string, ended chan<- error) {
	b.Helper()
	d, err := New(Config{
		Addresses:     []string{address},
		Token:         func(context.Context) (string, error) { return "t", nil },
		Handler:       func(context.Context, Push) error { return nil },
		NoCompression: true,
	})
	if err != nil {
		b.Fatal(err)
	}
	go func() { ended <- d.Run(ctx) }()
}

func acceptBare(b *testing.B, l net.Listener) *gateConn {
	b.Helper()
	nc, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	c := &gateConn{t: b, nc: nc, frames: make(chan frame, 1000)}
	go c.readAll()
	c.respond(c.next(), 0, marshal(b, welcome()))
	return c
}

// memory in use: heap and stacks.
func memory() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
