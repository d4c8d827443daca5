package gate

import (
	"bytes"
	"testing"

	"waybill/internal/wire"
	"waybill/schemas"
)

// FuzzReceive brings any bytes, in pieces of any size, before and after a login.
// The gate must neither panic nor keep more than a frame, must write frames
// only, and says farewell at most once.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1"), uint8(3), false)
	f.Add(loginFrame(f, "ann", 7), uint8(9), false)
	for _, command := range []uint16{wire.CmdHeartbeat, wire.CmdOpened, wire.CmdLogout, 0x0b00} {
		f.Add(wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: command}, nil, nil), uint8(0), true)
	}
	f.Add(wire.AppendAck(nil, wire.AckBody{Cursor: 1}), uint8(0), true)
	f.Add(wire.AppendUplink(nil, wire.Header{Family: 5, Flags: wire.FlagCompressed}, wire.UplinkPrefix{}, []byte("x")), uint8(0), true)
	f.Fuzz(func(t *testing.T, data []byte, piece uint8, in bool) {
		g := newTestGate(t, deafFacts{})
		s := &farewellSocket{t: t}
		c := g.newConn(s, noPeer)
		if in {
			c.receive(loginFrame(t, "ann", 0))
			c.entryLogged(1, nil)
		}
		for size := max(int(piece), 1); len(data) > 0; {
			n := min(size, len(data))
			c.receive(bytes.Clone(data[:n]))
			data = data[n:]
			if len(c.part) > wire.HeaderSize+int(g.cfg.MaxFrame) {
				t.Fatalf("%d bytes of a frame are kept", len(c.part))
			}
		}
		c.gone(schemas.Reason_REASON_PEER_CLOSED)
		if c.state != stateClosed || g.table.len() != 0 || g.wheel.len() != 0 {
			t.Errorf("state %d, %d in the table, %d in the wheel", c.state, g.table.len(), g.wheel.len())
		}
	})
}

// farewellSocket checks that what is written are frames, and nothing after the
// farewell.
type farewellSocket struct {
	deafSocket
	t      *testing.T
	closed bool
}

func (s *farewellSocket) send(b []byte) error {
	for len(b) > 0 {
		h, _, rest, err := wire.Next(b, 1<<20)
		if err != nil {
			s.t.Fatalf("wrote no frame: %v", err)
		}
		if s.closed {
			s.t.Fatalf("wrote after the farewell: %v", h)
		}
		s.closed = h.Kind == wire.KindPush && h.Family == wire.FamilySession && h.Command == wire.CmdClose
		b = rest
	}
	return nil
}
