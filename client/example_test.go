package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"waybill/client"
	"waybill/internal/wire"
	"waybill/schemas"
)

// A driver's phone: it takes orders and reports where it is.
func Example() {
	gate := startGate()
	defer gate.Close()
	dir, err := os.MkdirTemp("", "waybill-example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan client.Push)
	phone, err := client.New(client.Config{
		Addresses: []string{gate.Addr().String()},
		Token:     func(context.Context) (string, error) { return "from your own backend", nil },
		Store:     client.NewFileStore(filepath.Join(dir, "state.json")),
		Handler: func(_ context.Context, p client.Push) error {
			fmt.Printf("order: %s\n", p.Body)
			got <- p
			return nil // acknowledged
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- phone.Run(ctx) }()

	order := <-got
	if err := phone.Opened(ctx, order); err != nil {
		fmt.Println(err)
	}
	if err := phone.Send(ctx, 7, 0x0200, []byte("48.137,11.575")); err != nil {
		fmt.Println(err)
	}
	fmt.Println("the location is in the log")

	cancel()
	fmt.Println("ended:", <-ended)
	// Output:
	// order: two pallets to Munich
	// the location is in the log
	// ended: <nil>
}

// startGate is a gate for one device, without a log behind it.
func startGate() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}()
	return l
}

// serve answers frames until the device has gone.
func serve(conn net.Conn) {
	var buf bytes.Buffer
	part := make([]byte, 4096)
	for {
		n, err := conn.Read(part)
		if err != nil {
			return
		}
		buf.Write(part[:n])
		for {
			h, _, rest, err := wire.Next(buf.Bytes(), 64<<10)
			if errors.Is(err, wire.ErrShort) {
				break
			}
			if err != nil {
				return
			}
			buf.Next(buf.Len() - len(rest))
			if _, err := conn.Write(answer(h)); err != nil {
				return
			}
		}
	}
}

func answer(h wire.Header) []byte {
	switch {
	case h.Kind == wire.KindAck:
		return nil
	case h.Family != wire.FamilySession:
		return wire.AppendUplinkAck(nil, h)
	case h.Command == wire.CmdLogin:
		welcome, _ := (&schemas.Welcome{Ticket: []byte("sealed"), Heartbeat: 60_000}).MarshalVT()
		b := wire.AppendResponse(nil, h, 0, welcome)
		order := wire.Header{Family: 7, Command: 0x0100}
		return wire.AppendPush(b, order, wire.PushPrefix{Position: 1}, []byte("two pallets to Munich"))
	}
	return wire.AppendResponse(nil, h, 0, nil)
}
