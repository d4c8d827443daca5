package ingest

import (
	"errors"
	"sync/atomic"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// status of a push, of a push request and of a call, in the answers' words.
type status string

const (
	accepted status = "accepted" // the log has it
	partial  status = "partial"  // of several pushes: not all accepted
	busy     status = "busy"     // surely not in the log; try again later
	unknown  status = "unknown"  // not confirmed in time; say it again with the same push ids
	checked  status = "checked"  // a dry run: nothing was appended
	refused  status = "refused"  // the call is wrong; nothing was taken
)

// States of a push, as its appender's callback and its handler share them.
const (
	waiting uint32 = iota
	inLog
	notInLog
	inDoubt
	onlyChecked
)

// push is one push to one user on its way into the log.
type push struct {
	batch *batch
	user  string
	id    schemas.ID
	state atomic.Uint32
	end   status // the handler's; set once, by settle
}

// done is the appender's callback.
func (p *push) done(_ eventlog.Appended, err error) {
	switch {
	case err == nil:
		p.state.Store(inLog)
	case errors.Is(err, eventlog.ErrInDoubt):
		p.state.Store(inDoubt)
	default:
		p.state.Store(notInLog)
	}
	p.batch.leave()
}

// status by now: unknown may still become another.
func (p *push) status() status {
	switch p.state.Load() {
	case inLog:
		return accepted
	case notInLog:
		return busy
	case onlyChecked:
		return checked
	}
	return unknown
}

// batch is what one answer waits for: the pushes of one call, or of one line of
// a stream.
type batch struct {
	// Used by the handler alone.
	app     string
	held    map[string]struct{} // users of whom a push was refused
	answers []answer

	open  atomic.Int64  // appends without an end, and one for the handler
	ended chan struct{} // closed when open reaches 0
}

// answer to one push request.
type answer struct {
	trace  schemas.ID
	pushes []push
	tally  tally // set by settle
}

func newBatch(app string, requests int) *batch {
	b := &batch{app: app, answers: make([]answer, 0, requests), ended: make(chan struct{})}
	b.open.Store(1)
	return b
}

func (b *batch) leave() {
	if b.open.Add(-1) == 0 {
		close(b.ended)
	}
}

// wait until all pushes have ended, for a while at most, and count them.
func (b *batch) wait(most time.Duration) tally {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-b.ended:
	case <-timer.C:
	}
	var all tally
	for i := range b.answers {
		b.answers[i].settle()
		all.add(b.answers[i].tally)
	}
	return all
}

// take appends the pushes of r in the order of its users. A user of whom one
// push was refused gets none of the later ones of this batch, so that what gets
// into the log is in order.
func (s *Server) take(b *batch, r *request) {
	now := time.Now()
	if r.trace.id.IsZero() {
		r.trace.id = schemas.NewID(now)
	}
	b.answers = append(b.answers, answer{trace: r.trace.id, pushes: make([]push, len(r.users))})
	pushes := b.answers[len(b.answers)-1].pushes
	e := s.event(b.app, r)
	e.Time = now.UnixMicro()
	for i, user := range r.users {
		p := &pushes[i]
		p.batch, p.user = b, user
		p.id = r.pushID(b.app, user, now)
		if r.dry {
			p.state.Store(onlyChecked)
			continue
		}
		if e.User = user; r.cancel {
			e.CancelAsked.PushId = p.id[:]
		} else {
			e.Pushed.PushId = p.id[:]
		}
		s.append(p, e)
	}
}

// event of r, without what differs from user to user.
func (s *Server) event(app string, r *request) *schemas.Event {
	if r.cancel {
		return s.cancelEvent(app, r)
	}
	return r.pushed(s.cfg.Node, app)
}

// pushed is the event of a push request, without what differs from user to user.
func (r *request) pushed(node, app string) *schemas.Event {
	e := &schemas.Event{
		Kind: schemas.Kind_KIND_PUSHED, App: app, Device: r.device, Node: node,
		TraceId: r.trace.id[:], ParentSpan: r.trace.parentSpan(),
		Pushed: &schemas.Pushed{
			Name: r.name, Family: r.family, Command: r.command, Body: r.body, Ttl: r.ttl, Label: r.label,
			CollapseKey: r.collapse, DeliverAt: r.deliverAt, FirstDeviceWins: r.firstWins, Redrives: r.redrives,
		},
	}
	e.Pushed.Digest = e.Pushed.DigestFor(r.device)
	return e
}

func (s *Server) append(p *push, e *schemas.Event) { p.batch.append(s.appender, p, e) }

// append hands one push over, unless an earlier one of its user was refused.
func (b *batch) append(to *eventlog.Appender, p *push, e *schemas.Event) {
	if _, held := b.held[p.user]; held {
		p.state.Store(notInLog)
		return
	}
	r := record(e)
	r.Urgent = true
	b.open.Add(1)
	if err := to.Append(r, p.done); err != nil {
		p.state.Store(notInLog)
		b.leave()
		b.hold(p.user)
	}
}

func (b *batch) hold(user string) {
	if b.held == nil {
		b.held = make(map[string]struct{})
	}
	b.held[user] = struct{}{}
}

// tally counts pushes by how they ended.
type tally struct{ accepted, busy, unknown, checked int }

// settle fixes how each push ended, so that all of the answer says the same.
func (a *answer) settle() {
	for i := range a.pushes {
		p := &a.pushes[i]
		p.end = p.status()
		switch p.end {
		case accepted:
			a.tally.accepted++
		case busy:
			a.tally.busy++
		case checked:
			a.tally.checked++
		default:
			a.tally.unknown++
		}
	}
}

// status of several pushes together.
func (t tally) status() status {
	switch {
	case t.busy+t.unknown+t.accepted == 0:
		return checked
	case t.busy == 0 && t.unknown == 0:
		return accepted
	case t.accepted > 0:
		return partial
	case t.unknown > 0:
		return unknown
	}
	return busy
}

func (t *tally) add(o tally) {
	t.accepted += o.accepted
	t.busy += o.busy
	t.unknown += o.unknown
	t.checked += o.checked
}
