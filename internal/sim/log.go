package sim

import (
	"google.golang.org/protobuf/proto"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// record of the partition. Events are shared by all readers and not changed.
type record struct {
	at    int64 // broker time
	event *schemas.Event
}

func position(index int) schemas.Position { return schemas.At(0, int64(index)) }

// fact is an event on its way into the log; conn is told when it is there.
type fact struct {
	event *schemas.Event
	conn  *conn
}

// producer is one producer client: an origin, a count, and what it has not
// appended yet. A kill loses the queue.
type producer struct {
	origin, serial uint64
	queue          []fact
	last           [2]*schemas.Event
}

func (p *producer) add(f fact) { p.queue = append(p.queue, f) }

// lose drops the queue, but for a record that may be on its way.
func (p *producer) lose(w *world) {
	p.queue = p.queue[:min(len(p.queue), w.rnd.IntN(2))]
}

// flush appends the next record of the queue. Now and then a restart, of the
// broker or of the producer, repeats the last ones.
func (w *world) flush(p *producer) bool {
	if len(p.queue) == 0 || w.noEvents && !w.calm {
		return false
	}
	f := p.queue[0]
	p.queue = p.queue[1:]
	p.serial++
	f.event.Origin, f.event.Serial = p.origin, p.serial
	at := position(len(w.log))
	w.append(f.event)
	f.logged(at)
	p.last[0], p.last[1] = p.last[1], f.event
	if !w.calm && w.rnd.IntN(20) == 0 {
		for _, e := range p.last {
			if e != nil {
				w.append(e)
			}
		}
	}
	return true
}

// logged tells the gate where in the log its fact stands.
func (f fact) logged(at schemas.Position) {
	switch f.event.Kind {
	case schemas.Kind_KIND_CONNECTED:
		f.conn.logged = true
		if f.event.Connected.Login {
			f.conn.ticket = ticket{f.conn.ticket.session, at, f.conn.ticket.began}
		}
	case schemas.Kind_KIND_ACKED:
		f.conn.ackLogged(f.event.Acked)
	}
}

func (w *world) append(e *schemas.Event) {
	w.clock += tick
	at := w.clock
	if !w.calm && w.trouble.has(crookedClock) && w.rnd.IntN(16) == 0 {
		at -= int64(w.rnd.IntN(2000)) * 1000 // another broker leads, and its clock is behind
	}
	w.log = append(w.log, record{at, e})
	if w.show {
		w.say("    %v %s", position(len(w.log)-1), describe(e))
	}
	w.check.read()
}

// reader folds the log. Its place is the index of the next record.
type reader struct {
	state   *mailbox.State
	serials *eventlog.Serials
	next    int
}

func newReader() reader {
	return reader{state: mailbox.New(), serials: new(eventlog.Serials)}
}

// take hands out the next record if it is not a repeat.
func (r *reader) take(w *world) (pos schemas.Position, rec record, fresh bool) {
	rec = w.log[r.next]
	pos = position(r.next)
	r.next++
	fresh = r.serials.Fresh(rec.event.Origin, rec.event.Serial, rec.at) || w.off.has(SerialFilter)
	rec.event = w.distort(r.state, rec.event)
	return pos, rec, fresh
}

// distort is how a reader without some clause would understand the event.
func (w *world) distort(s *mailbox.State, e *schemas.Event) *schemas.Event {
	if !w.off.has(OldTermsIgnored|CountDecides|KickNamesSession|SeriesStart|ResumedUntilReached) || e.User == "" {
		return e
	}
	e = proto.Clone(e).(*schemas.Event)
	u := s.Users[userKey]
	if w.off.has(OldTermsIgnored) && e.Term > 0 {
		e.Term = uint64(s.Term)
	}
	if u == nil || u.Device(e.Device) < 0 {
		return e
	}
	w.distortDevice(&u.Devices[u.Device(e.Device)], e)
	return e
}

func (w *world) distortDevice(d *mailbox.Device, e *schemas.Event) {
	switch {
	case e.Connected != nil && w.off.has(CountDecides):
		e.Connected.Count = max(e.Connected.Count, d.Count)
	case e.Connected != nil && w.off.has(SeriesStart):
		e.Connected.Cursor = max(e.Connected.Cursor, uint64(d.Cursor))
	case e.Kicked != nil && w.off.has(KickNamesSession) && d.Live:
		e.Kicked.Session = d.Session[:]
	case e.Acked != nil && w.off.has(ResumedUntilReached) && d.Conn == e.Conn():
		d.Resumed = true
	}
}
