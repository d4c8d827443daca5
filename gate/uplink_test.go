package gate

import (
	"bytes"
	"strings"
	"testing"

	"waybill/internal/wire"
)

// TestCompressedUplink: the log gets the plain body; one that would become
// larger than a frame ends the connection.
func TestCompressedUplink(t *testing.T) {
	pack, err := wire.NewCompressor()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"good": {bytes.Repeat([]byte("here "), 100), `value="here here `},
		"bomb": {make([]byte, 1<<20), "bad_body"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.do("login seq=1")
			h.do("log")
			packed, smaller := pack.Append(nil, c.body)
			if !smaller {
				t.Fatal("the body was not compressed")
			}
			head := wire.Header{Family: 5, Sequence: 2, Flags: wire.FlagCompressed | wire.FlagOneWay}
			h.conn.receive(wire.AppendUplink(nil, head, wire.UplinkPrefix{Lowest: 2}, packed))
			if said := h.said(); !strings.Contains(said, c.want) {
				t.Errorf("want %s, got %s", c.want, said)
			}
		})
	}
}

// TestUplinkGetsATrace: one without a trace id is given one, and told so.
func TestUplinkGetsATrace(t *testing.T) {
	h := newHarness(t)
	h.do("login seq=1")
	h.do("log")
	h.conn.receive(wire.AppendUplink(nil, wire.Header{Family: 5, Sequence: 2, Flags: wire.FlagOneWay}, wire.UplinkPrefix{Lowest: 2}, nil))
	h.do("log")
	ack, _, _, err := wire.Next(h.sock.sent, 1<<20)
	if err != nil || ack.Kind != wire.KindAck || ack.Sequence != 2 || ack.Trace == [16]byte{} {
		t.Errorf("answered with %v, %v", ack, err)
	}
}
