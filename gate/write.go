package gate

import (
	"cmp"
	"fmt"

	"waybill/internal/wire"
	"waybill/schemas"
)

// message is a body of the session.
type message interface {
	SizeVT() int
	MarshalToSizedBufferVT([]byte) (int, error)
}

// encode appends a session body. Nothing that the gate builds fails to encode.
func encode(m message) []byte {
	b := make([]byte, m.SizeVT())
	if _, err := m.MarshalToSizedBufferVT(b); err != nil {
		panic(fmt.Sprintf("encode %T: %v", m, err))
	}
	return b
}

// wrote counts a frame.
func (c *conn) wrote() {
	c.traffic.framesOut++
	c.gate.metrics.framesOut.Add(1)
}

// ok answers a request with an empty response.
func (c *conn) ok(h wire.Header) {
	c.out.B = wire.AppendResponse(c.out.B, h, 0, nil)
	c.wrote()
}

// respond answers a request with a reason why not.
func (c *conn) respond(h wire.Header, e *schemas.Error) {
	c.out.B = wire.AppendResponse(c.out.B, h, uint16(e.Reason), encode(e))
	c.wrote()
}

// writePushed writes a session body that the device did not ask for.
func (c *conn) writePushed(command uint16, body message) {
	c.out.B = wire.AppendPush(c.out.B, wire.Header{Command: command}, wire.PushPrefix{}, encode(body))
	c.wrote()
}

// writeError tells of something that was no request.
func (c *conn) writeError(e *schemas.Error) { c.writePushed(wire.CmdError, e) }

// writeClose is the last frame: why, and what to do next; or only where to go.
func (c *conn) writeClose(f farewell) {
	if f.redirect {
		c.writePushed(wire.CmdRedirect, &schemas.Redirect{Address: f.address})
		return
	}
	c.writePushed(wire.CmdClose, &schemas.Close{
		Reason: f.reason, Message: cmp.Or(f.detail, f.reason.Explain()),
		Reconnect: !f.stay, After: f.after.Milliseconds(), Address: f.address,
	})
}

// busy says that the log does not take what was sent.
func busy() *refusal {
	return &refusal{reason: schemas.Reason_REASON_BUSY, detail: schemas.Reason_REASON_BUSY.Explain()}
}

// body is what the refused request is answered with.
func (r *refusal) body() *schemas.Error {
	e := &schemas.Error{Reason: r.reason, Message: r.detail}
	if r.reason == schemas.Reason_REASON_BUSY {
		e.RetryAfter = afterBusy.Milliseconds()
	}
	return e
}
