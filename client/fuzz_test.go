package client

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// scripted is a connection that only has something to read.
type scripted struct{ io.Reader }

func (scripted) Write(b []byte) (int, error)      { return len(b), nil }
func (scripted) Close() error                     { return nil }
func (scripted) LocalAddr() net.Addr              { return nil }
func (scripted) RemoteAddr() net.Addr             { return nil }
func (scripted) SetDeadline(time.Time) error      { return nil }
func (scripted) SetReadDeadline(time.Time) error  { return nil }
func (scripted) SetWriteDeadline(time.Time) error { return nil }

// FuzzRead: whatever a gate writes, before and after the login, the device
// takes it or ends the connection with an error.
func FuzzRead(f *testing.F) {
	login := wire.Header{Kind: wire.KindRequest, Command: wire.CmdLogin, Sequence: 1}
	ok := wire.AppendResponse(nil, login, 0, marshal(f, welcome()))
	session := func(command uint16, m message) []byte {
		return wire.AppendPush(nil, wire.Header{Command: command}, wire.PushPrefix{Position: 9}, marshal(f, m))
	}
	for _, seed := range [][]byte{
		pushFrame(1, wire.FlagAgain),
		session(wire.CmdResumed, &schemas.Resumed{Gap: &schemas.Gap{Adopt: true}}),
		session(wire.CmdClose, &schemas.Close{Reason: schemas.Reason_REASON_GAP, After: -1}),
		session(wire.CmdRedirect, &schemas.Redirect{Address: "a:1"}),
		session(wire.CmdError, &schemas.Error{}),
		wire.AppendResponse(nil, wire.Header{Family: 9, Sequence: 2}, 36, nil),
		wire.AppendUplinkAck(nil, wire.Header{Family: 9, Sequence: 2}),
	} {
		f.Add(append(bytes.Clone(ok), seed...))
	}
	f.Add(wire.AppendResponse(nil, login, 12, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := New(Config{
			Addresses: []string{"a:1"}, Window: len(b)/wire.HeaderSize + 1,
			Token:   func(context.Context) (string, error) { return "t", nil },
			Handler: func(context.Context, Push) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		c.abort = func() {}
		conn := newConn(scripted{bytes.NewReader(b)})
		w, err := c.logIn(t.Context(), conn, "t")
		if err != nil {
			return
		}
		if err := c.attach(conn, w, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.read(t.Context(), conn); err == nil {
			t.Error("the connection ended without an error")
		}
		_ = c.detach(conn, nil) // there is no writer here to wait for
		for len(c.queue) > 0 {
			c.take(t.Context(), <-c.queue)
		}
		c.slow.Stop()
	})
}
