package gate

import (
	"sync"

	"waybill/internal/wire"
	"waybill/schemas"
)

// event begins an event about the connection.
func (c *conn) event(kind schemas.Kind) *schemas.Event {
	e := new(schemas.Event)
	c.fill(e, kind)
	return e
}

// fill says what all events about the connection say.
func (c *conn) fill(e *schemas.Event, kind schemas.Kind) {
	e.Kind, e.Time = kind, c.gate.now().UnixMicro()
	e.App, e.User, e.Device, e.Session = c.who.app, c.who.user, c.who.device, c.session[:]
	e.SetConn(c.id())
}

// usual are the events of every push, used again and again: Report keeps none.
type usual struct {
	event schemas.Event
	sent  schemas.Sent
	acked schemas.Acked
}

var usuals = sync.Pool{New: func() any { return new(usual) }}

// put gives it back without what it refers to: commands share the memory of
// their whole fetch.
func (u *usual) put() {
	*u = usual{}
	usuals.Put(u)
}

// reportAck reports the newest cursor, unless a report is under way: then the
// end of that one does it.
func (c *conn) reportAck() {
	if !c.acks.next() {
		return
	}
	u := usuals.Get().(*usual)
	defer u.put()
	e := &u.event
	c.fill(e, schemas.Kind_KIND_ACKED)
	e.Acked = &u.acked
	e.Acked.Cursor, e.Acked.Received = c.acks.cursor, c.acks.received
	if err := c.gate.cfg.Facts.Report(e, nil, false, c.ackLogged); err != nil {
		c.gate.owing.add(c)
		return
	}
	c.acks.fly()
}

// ackLogged goes on with what was said meanwhile. A report in doubt is made
// again: the same cursor twice does no harm.
func (c *conn) ackLogged(_ schemas.Position, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks.done(err == nil)
	if c.state != stateLive {
		return // the disconnected carries the cursor
	}
	if err != nil {
		c.gate.owing.add(c)
		return
	}
	c.reportAck()
}

// disconnected is the end that is owed; its counts are filled in when it is
// reported.
func (c *conn) disconnected(r schemas.Reason, detail string) *schemas.Event {
	const mostDetail = 200 // as the schema says
	e := c.event(schemas.Kind_KIND_DISCONNECTED)
	e.Disconnected = &schemas.Disconnected{Reason: r, Detail: clip(detail, mostDetail)}
	return e
}

// reportEnd reports the disconnected. It carries a cursor that is not known to
// be in the log, so that an end needs no acked before it.
func (c *conn) reportEnd() {
	d, t := c.end.Disconnected, &c.traffic
	d.Traffic = &schemas.Traffic{FramesIn: t.framesIn, FramesOut: t.framesOut, BytesIn: t.bytesIn, BytesOut: t.bytesOut, Swallowed: t.swallowed}
	if c.acks.owed() {
		d.Cursor, d.Received = c.acks.cursor, c.acks.received
	}
	r := &endReport{c, c.end}
	c.gate.ends.Add(1)
	if err := c.gate.cfg.Facts.Report(c.end, nil, false, r.logged); err != nil {
		c.gate.owing.add(c)
		c.gate.ends.Add(-1)
		return
	}
	c.end = nil
}

type endReport struct {
	c *conn
	e *schemas.Event
}

// logged forgets the connection, or keeps its end as owed. Saying it twice does
// no harm.
func (r *endReport) logged(_ schemas.Position, err error) {
	defer r.c.gate.ends.Add(-1)
	if err == nil {
		return
	}
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	r.c.end = r.e
	r.c.gate.owing.add(r.c)
}

// reportRefused tells that a known person could not log in. It may be lost.
func (c *conn) reportRefused(no *refusal) {
	what := "login"
	if c.entry != nil {
		what = wire.SessionCommand(c.entry.request.Command)
	}
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_REFUSED, App: no.who.app, User: no.who.user, Device: no.who.device, Time: c.gate.now().UnixMicro(),
		Refused: &schemas.Refused{Reason: no.reason, What: what, Detail: no.detail, Address: c.peer.String()},
	}
	_ = c.gate.cfg.Facts.Report(e, nil, false, nil) // the counter by reason tells of it anyway
}

// reportSent says that a push was handed to the socket. While the log is away
// it is dropped: the ack will say so.
func (c *conn) reportSent(cmds []*schemas.Command) {
	u := usuals.Get().(*usual)
	defer u.put()
	e, s := &u.event, &u.sent
	c.fill(e, schemas.Kind_KIND_SENT)
	e.Sent = s
	for _, cmd := range cmds {
		e.TraceId, e.ParentSpan, e.Node = cmd.TraceId, cmd.ParentSpan, ""
		s.Position, s.PushId, s.Attempt, s.Dispatched = cmd.Position, cmd.PushId, cmd.Attempt, cmd.Time
		s.DispatchedBy = cmd.Node
		if err := c.gate.cfg.Facts.Report(e, nil, false, nil); err != nil {
			c.gate.metrics.sentDropped.Add(1)
		}
	}
}

// retry reports what is owed after the log was away.
func (c *conn) retry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.reportEnd()
		return
	}
	if c.state == stateLive {
		c.reportAck()
	}
}

// owing holds the connections that have something to report which the log
// refused: at most a newest cursor and an end each.
type owing struct {
	mu    sync.Mutex
	conns map[*conn]struct{}
}

// add is called under the connection's lock, and takes it once however often it
// is called.
func (o *owing) add(c *conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conns == nil {
		o.conns = make(map[*conn]struct{})
	}
	o.conns[c] = struct{}{}
}

// retry tries each of them once; those that are refused again come back.
func (o *owing) retry() {
	o.mu.Lock()
	conns := o.conns
	o.conns = nil
	o.mu.Unlock()
	for c := range conns {
		c.retry()
	}
}

// len is how many connections owe something.
func (o *owing) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.conns)
}
