package load

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// maxFrame is what a device takes after a header: far more than is sent here.
const maxFrame = 1 << 20

// device keeps the protocol for one connection after another. All of it is
// owned by the fleet's poller, once the first login is written.
type device struct {
	f      *fleet
	user   string
	name   string
	gate   string // host:port
	sock   *sock  // nil while it is away
	out    []byte // frames of the call at work
	ackDue bool
	up     bool // resumed has come on this connection

	install  [16]byte
	count    uint64 // of logins and resumes
	sequence uint64
	cursor   uint64
	ticket   []byte

	beatEvery, beatAt int64 // nanoseconds; 0 = not logged in
	retryAt           int64 // nanoseconds since 1970; 0 = stay away
	flying            []uplink
	why               error // what the gate said last, should it close
}

// request begins a request of family 0.
func (d *device) request(command uint16) wire.Header {
	d.sequence++
	return wire.Header{Kind: wire.KindRequest, Command: command, Sequence: d.sequence}
}

// hello is the frame that begins a connection: a resume if there is a ticket.
func (d *device) hello() ([]byte, error) {
	d.count++
	h := &schemas.Hello{Install: d.install[:], Count: d.count, Cursor: d.cursor, Platform: "load", ClientVersion: "1", Network: "loopback"}
	if d.ticket != nil {
		return encode(d.request(wire.CmdResume), &schemas.Resume{Ticket: d.ticket, Hello: h})
	}
	token, err := d.f.cfg.Token(d.user, d.name)
	if err != nil {
		return nil, err
	}
	return encode(d.request(wire.CmdLogin), &schemas.Login{Token: token, Hello: h})
}

func encode(h wire.Header, m interface{ MarshalVT() ([]byte, error) }) ([]byte, error) {
	b, err := m.MarshalVT()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", wire.SessionCommand(h.Command), err)
	}
	return wire.AppendFrame(nil, h, nil, b), nil
}

// take handles whole frames; one write answers all of them.
func (d *device) take(now int64, b []byte) []byte {
	for {
		h, payload, rest, err := wire.Next(b, maxFrame)
		if errors.Is(err, wire.ErrShort) {
			break
		}
		if err == nil {
			err = d.handle(now, h, payload)
		}
		if err != nil {
			d.sock.end(err)
			return nil
		}
		b = rest
	}
	d.flush()
	return b
}

func (d *device) flush() {
	if d.ackDue {
		d.out = wire.AppendAck(d.out, wire.AckBody{Cursor: d.cursor})
		d.ackDue = false
	}
	if len(d.out) > 0 && d.sock != nil {
		d.sock.write(d.out)
	}
	d.out = d.out[:0]
}

func (d *device) handle(now int64, h wire.Header, payload []byte) error {
	switch {
	case h.Kind == wire.KindPush && h.Family != wire.FamilySession:
		return d.handlePush(now, h, payload)
	case h.Kind == wire.KindAck:
		d.uplinkDone(now, h.Sequence)
	case h.Kind == wire.KindPush:
		return d.handleSession(now, h, payload)
	case h.Kind == wire.KindResponse && h.Family != wire.FamilySession:
		d.f.uplinksRefused++
		d.uplinkRefused(now, h.Sequence)
	case h.Kind == wire.KindResponse:
		return d.handleResponse(now, h, payload)
	}
	return nil
}

func (d *device) handlePush(now int64, h wire.Header, payload []byte) error {
	p, body, err := wire.ParsePushPrefix(payload)
	if err != nil {
		return err
	}
	d.ackDue = true
	if p.Position <= d.cursor {
		d.f.repeats.Add(1)
		return nil
	}
	if h.Flags.Has(wire.FlagAgain) {
		d.out = wire.AppendAck(d.out, wire.AckBody{Cursor: d.cursor, Received: p.Position})
	}
	d.f.onPush(now, body)
	d.cursor = p.Position
	return nil
}

func (d *device) handleSession(now int64, h wire.Header, payload []byte) error {
	p, body, err := wire.ParsePushPrefix(payload)
	if err != nil {
		return err
	}
	switch h.Command {
	case wire.CmdResumed:
		var m schemas.Resumed
		if err := m.UnmarshalVT(body); err != nil {
			return fmt.Errorf("decode resumed: %w", err)
		}
		d.resumed(now, p.Position, m.Gap)
	case wire.CmdClose:
		var m schemas.Close
		if err := m.UnmarshalVT(body); err != nil {
			return fmt.Errorf("decode close: %w", err)
		}
		d.why = fmt.Errorf("the gate closed the connection: %s %s", m.Reason.Word(), m.Message)
	}
	return nil
}

func (d *device) resumed(now int64, position uint64, gap *schemas.Gap) {
	switch {
	case gap != nil && gap.Adopt:
		d.cursor = position
	default:
		d.cursor = max(d.cursor, position)
	}
	if gap != nil {
		d.f.gaps.Add(1)
	}
	d.ackDue = true
	if !d.up {
		d.up, d.f.lastUp = true, now
		d.holdUplinks(now)
		d.f.up.Add(1)
	}
}

// handleResponse takes what answers a request of family 0.
func (d *device) handleResponse(now int64, h wire.Header, payload []byte) error {
	if h.Status != 0 {
		var m schemas.Error
		_ = m.UnmarshalVT(payload) // its status says enough
		return fmt.Errorf("the gate refused %s: %s %s", wire.SessionCommand(h.Command), schemas.Reason(h.Status).Word(), m.Message)
	}
	if h.Command != wire.CmdLogin && h.Command != wire.CmdResume {
		return nil
	}
	var w schemas.Welcome
	if err := w.UnmarshalVT(payload); err != nil {
		return fmt.Errorf("decode welcome: %w", err)
	}
	d.ticket = w.Ticket
	d.beatEvery = w.Heartbeat * int64(time.Millisecond)
	d.beatAt = now + rand.Int64N(max(d.beatEvery, 1))
	return nil
}

// gone is the end of a connection; the device comes back, unless it was asked
// to stay away.
func (d *device) gone(err error) {
	d.sock = nil
	d.beatEvery = 0
	d.ackDue, d.out = false, d.out[:0]
	if d.up {
		d.up = false
		d.f.up.Add(-1)
	}
	if d.f.parked {
		return
	}
	if d.why != nil && errors.Is(err, io.EOF) {
		err = d.why
	}
	d.why = nil
	d.f.dropped(d, err)
}

// tick is called often: it sends what is due, uplinks again and heartbeats.
func (d *device) tick(now int64) {
	d.retryUplinks(now)
	if d.sock == nil || d.beatEvery == 0 || now < d.beatAt {
		return
	}
	d.beatAt = now + d.beatEvery
	b, err := encode(d.request(wire.CmdHeartbeat), &schemas.Heartbeat{Cursor: d.cursor})
	if err == nil {
		d.sock.write(b)
	}
}
