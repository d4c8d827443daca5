package gate

import (
	"errors"
	"fmt"

	"waybill/internal/wire"
	"waybill/schemas"
)

// handle takes one frame of the device.
func (c *conn) handle(h wire.Header, payload []byte) {
	login := h.Kind == wire.KindRequest && h.Family == wire.FamilySession && (h.Command == wire.CmdLogin || h.Command == wire.CmdResume)
	switch {
	case login && c.state != stateNew:
		c.fault(fault{reason: schemas.Reason_REASON_SECOND_LOGIN, detail: "a connection logs in once"})
	case login && c.gate.draining.Load():
		c.redirect()
	case login:
		c.handleEntry(h, payload)
	case c.state != stateLive:
		c.fault(fault{reason: schemas.Reason_REASON_NOT_LOGGED_IN, detail: "the first frame must be login or resume, and the next one waits for its answer"})
	case h.Kind == wire.KindRequest && h.Family != wire.FamilySession:
		c.handleUplink(h, payload)
	case h.Kind == wire.KindRequest:
		c.handleRequest(h, payload)
	case h.Kind == wire.KindAck && h.Family == wire.FamilySession && h.Command == wire.CmdAck:
		c.handleAck(payload)
	default:
		c.unknown(h)
	}
}

// handleRequest takes the session's requests of a live connection.
func (c *conn) handleRequest(h wire.Header, body []byte) {
	switch h.Command {
	case wire.CmdHeartbeat:
		c.handleHeartbeat(h, body)
	case wire.CmdOpened:
		c.handleOpened(h, body)
	case wire.CmdLogout:
		c.handleLogout(h)
	default:
		c.unknown(h)
	}
}

// unknown answers a frame of a later version of the protocol, or one that only
// a gate sends. The connection stays.
func (c *conn) unknown(h wire.Header) {
	c.gate.metrics.unknown.Add(1)
	e := schemas.Error{
		Reason:  schemas.Reason_REASON_UNKNOWN_COMMAND,
		Message: fmt.Sprintf("a device sends requests and acks of the session's commands: %v %s is none", h.Kind, wire.SessionCommand(h.Command)),
	}
	if h.Kind == wire.KindRequest {
		c.respond(h, &e)
		return
	}
	c.writeError(&e)
}

// fault is something in a frame that ends its connection.
type fault struct {
	reason   schemas.Reason
	detail   string
	versions []uint32 // supported
	flags    uint32   // supported
	max      uint32   // bytes after the header
}

// faultOf explains what wire says about a frame.
func faultOf(err error) fault {
	f := fault{reason: schemas.Reason_REASON_BAD_FRAME, detail: err.Error()}
	var version *wire.VersionError
	var flags *wire.FlagError
	var large *wire.TooLargeError
	switch {
	case errors.As(err, &version):
		f.reason, f.versions = schemas.Reason_REASON_UNKNOWN_VERSION, []uint32{uint32(wire.Version)}
	case errors.As(err, &flags):
		f.reason, f.flags = schemas.Reason_REASON_UNKNOWN_FLAG, uint32(wire.KnownFlags)
	case errors.As(err, &large):
		f.reason, f.max = schemas.Reason_REASON_FRAME_TOO_LARGE, large.Max
	}
	return f
}

// badBody is a session body that is no protobuf, or lacks what it must have.
func badBody(what string, err error) fault {
	return fault{reason: schemas.Reason_REASON_BAD_BODY, detail: fmt.Sprintf("the body of %s cannot be read: %v", what, err)}
}

// fault names what is supported, then closes the connection.
func (c *conn) fault(f fault) {
	c.writeError(&schemas.Error{Reason: f.reason, Message: f.detail, Versions: f.versions, Flags: f.flags, MaxFrame: f.max})
	c.close(f.reason, f.detail)
}
