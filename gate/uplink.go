package gate

import (
	"bytes"

	"waybill/internal/wire"
	"waybill/schemas"
)

// handleUplink offers an uplink to the log. It is answered when the log has
// it: by an ack if it is one-way, else by a response.
func (c *conn) handleUplink(h wire.Header, payload []byte) {
	p, body, err := wire.ParseUplinkPrefix(payload)
	if err != nil {
		c.fault(faultOf(err))
		return
	}
	if body, err = c.plain(h, body); err != nil {
		c.fault(badBody("the uplink", err))
		return
	}
	if !c.hold.admits(h.Sequence, p.Lowest) {
		c.refuseUplink(h, &refusal{reason: schemas.Reason_REASON_UPLINK_HELD, detail: schemas.Reason_REASON_UPLINK_HELD.Explain()})
		return
	}
	if !c.gate.places.has(c.who.app) {
		c.refuseUplink(h, busy())
		return
	}
	if h.Trace == [16]byte{} {
		h.Trace = schemas.NewID(c.gate.now())
	}
	a := &answer{c, h}
	if err := c.gate.cfg.Facts.Report(c.uplinked(h, p, len(body)), body, false, a.uplinkLogged); err != nil {
		c.refuseUplink(h, busy())
		return
	}
	c.hold.accept(h.Sequence)
}

// plain returns the body, decompressed, in memory of its own.
func (c *conn) plain(h wire.Header, body []byte) ([]byte, error) {
	if h.Flags.Has(wire.FlagCompressed) {
		return c.gate.unpack.Append(nil, body)
	}
	return bytes.Clone(body), nil
}

// uplinked is the event that travels beside the body. It carries the sequence
// under which a relay drops repeats.
func (c *conn) uplinked(h wire.Header, p wire.UplinkPrefix, size int) *schemas.Event {
	e := c.event(schemas.Kind_KIND_UPLINKED)
	e.TraceId = h.Trace[:]
	e.Uplinked = &schemas.Uplinked{
		Family: uint32(h.Family), Command: uint32(h.Command), Sequence: h.Sequence, Install: c.install[:],
		Lowest: p.Lowest, Request: !h.Flags.Has(wire.FlagOneWay), DeviceTime: p.Time, Tries: uint32(p.Tries), Size: uint32(size),
	}
	return e
}

// refuseUplink answers one-way uplinks too with a response: an ack has no status.
func (c *conn) refuseUplink(h wire.Header, no *refusal) {
	c.gate.metrics.uplinksRefused.Add(1)
	c.hold.refuse(h.Sequence)
	c.respond(h, no.body())
}

// answer is a request of the device that waits for the log.
type answer struct {
	c       *conn
	request wire.Header
}

// uplinkLogged answers, if there is still somebody to answer. If not, the device
// sends it again on its next connection, and the reader drops the repeat.
func (a *answer) uplinkLogged(_ schemas.Position, err error) {
	c := a.c
	c.lock()
	defer c.unlock()
	switch {
	case c.state != stateLive:
	case err != nil:
		c.refuseUplink(a.request, busy())
	case a.request.Flags.Has(wire.FlagOneWay):
		c.out.B = wire.AppendUplinkAck(c.out.B, a.request)
		c.wrote()
	default: // nobody answers requests yet
		no := schemas.Reason_REASON_NO_HANDLER
		c.respond(a.request, &schemas.Error{Reason: no, Message: no.Explain()})
	}
}

// handleOpened is answered when the log has it, so that the device may forget.
func (c *conn) handleOpened(h wire.Header, body []byte) {
	var m schemas.OpenedReport
	if err := m.UnmarshalVT(body); err != nil {
		c.fault(badBody("opened", err))
		return
	}
	e := c.event(schemas.Kind_KIND_OPENED)
	if h.Trace != [16]byte{} {
		e.TraceId = h.Trace[:]
	}
	e.Opened = &schemas.Opened{Position: m.Position, PushId: m.PushId, DeviceTime: m.DeviceTime}
	a := &answer{c, h}
	if err := c.gate.cfg.Facts.Report(e, nil, false, a.openedLogged); err != nil {
		c.respond(h, busy().body())
	}
}

// openedLogged answers likewise.
func (a *answer) openedLogged(_ schemas.Position, err error) {
	c := a.c
	c.lock()
	defer c.unlock()
	switch {
	case c.state != stateLive:
	case err != nil:
		c.respond(a.request, busy().body())
	default:
		c.ok(a.request)
	}
}
