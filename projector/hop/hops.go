package hop

import (
	"cmp"
	"encoding/binary"
	"strconv"

	"waybill/schemas"
)

// Kinds of the hops of a push's usual way. Dispatched and acked are no kinds of
// events: the one is told by sent and bounced, the other by the outcome.
const (
	pushed     = "pushed"
	dispatched = "dispatched"
	sent       = "sent"
	acked      = "acked"
	outcome    = "outcome"
)

// Ranks: the causal order of the hops of one message. Below rankDispatched
// stands what precedes every attempt; from rankOpened on what follows them.
const (
	rankRefused     = 1
	rankPushed      = 2
	rankUplinked    = 2
	rankCancelAsked = 3
	rankReleased    = 4
	rankUnreached   = 5
	rankDispatched  = 10
	rankBounced     = 20
	rankSent        = 21
	rankAcked       = 30
	rankOpened      = 40
	rankRelayed     = 41
	rankParked      = 42
	rankOutcome     = 50
)

// add appends the rows of one event. It is a function of the event and its
// place alone: a replay gives the same rows in the same order. Kinds that are
// not named here yield none; acked is told by the outcomes it led to.
func (r *rows) add(e *schemas.Event, at place) {
	switch e.Kind {
	case schemas.Kind_KIND_PUSHED:
		r.pushed(e, at)
	case schemas.Kind_KIND_CANCEL_ASKED:
		r.hop(e, at, rankCancelAsked).push = schemas.IDFrom(e.CancelAsked.GetPushId())
	case schemas.Kind_KIND_RELEASED:
		r.hop(e, at, rankReleased).position = e.Released.GetPosition()
	case schemas.Kind_KIND_UNREACHED:
		h := r.hop(e, at, rankUnreached)
		h.position, h.push = e.Unreached.GetPosition(), schemas.IDFrom(e.Unreached.GetPushId())
	case schemas.Kind_KIND_SENT:
		r.sent(e, at)
	case schemas.Kind_KIND_BOUNCED:
		r.bounced(e, at)
	case schemas.Kind_KIND_OPENED:
		h := r.hop(e, at, rankOpened)
		h.position, h.push = e.Opened.GetPosition(), schemas.IDFrom(e.Opened.GetPushId())
	case schemas.Kind_KIND_OUTCOME:
		r.outcome(e, at)
	case schemas.Kind_KIND_UPLINKED:
		h := r.hop(e, at, rankUplinked)
		h.position, h.size = uint64(at.position), e.Uplinked.GetSize()
	case schemas.Kind_KIND_RELAYED:
		r.hop(e, at, rankRelayed).position = e.Relayed.GetPosition()
	case schemas.Kind_KIND_PARKED:
		h := r.hop(e, at, rankParked)
		h.position, h.reason = e.Parked.GetPosition(), reasonWord(e.Parked.GetReason())
	default:
		r.connectionEvent(e, at)
	}
}

// hop appends what all hops of an event have in common; its kind is the
// event's. The pointer is good until the next append.
func (r *rows) hop(e *schemas.Event, at place, rank uint8) *hopRow {
	return &r.hops[r.hopAt(e, at, rank)]
}

// hopAt is hop, and where it stands. Places of hops that were dropped are taken
// first: most hops are, soon, and so few rows are held.
func (r *rows) hopAt(e *schemas.Event, at place, rank uint8) (i int) {
	if n := len(r.free); n > 0 {
		i, r.free = r.free[n-1], r.free[:n-1]
	} else {
		i, r.hops = len(r.hops), append(r.hops, hopRow{})
	}
	r.hops[i] = hopRow{
		trace: schemas.IDFrom(e.TraceId), session: schemas.IDFrom(e.Session),
		conn: e.Conn(), at: when(e.Time, at), parentSpan: span(e.ParentSpan),
		rank: rank, kind: kindWord(e.Kind),
		app: e.App, user: e.User, device: e.Device, node: e.Node, place: at,
	}
	return i
}

func (r *rows) pushed(e *schemas.Event, at place) {
	b, i := e.Pushed, r.hopAt(e, at, rankPushed)
	h := &r.hops[i]
	h.position, h.push, h.size = uint64(at.position), schemas.IDFrom(b.GetPushId()), uint32(len(b.GetBody()))
	p := r.push(e, at, pushAccepted)
	p.accepts = 1
	if r.begun == nil {
		r.begun = make(map[uint64]begun)
	}
	r.begun[h.position] = begun{push: len(r.pushes) - 1, hops: way{i, -1, -1, -1, -1}}
	p.position, p.push, p.size = h.position, h.push, h.size
	p.name, p.label = b.GetName(), b.GetLabel()
	p.family, p.command = uint16(b.GetFamily()), uint16(b.GetCommand())
	p.steps.accepted = h.at
	p.expires = at.logged + b.GetTtl()*1000
}

func (r *rows) push(e *schemas.Event, at place, version uint8) *pushRow {
	r.pushes = append(r.pushes, pushRow{
		trace: schemas.IDFrom(e.TraceId), span: span(e.ParentSpan), version: version,
		app: e.App, user: e.User, device: e.Device, place: at,
	})
	return &r.pushes[len(r.pushes)-1]
}

func (r *rows) sent(e *schemas.Event, at place) {
	b := e.Sent
	push := schemas.IDFrom(b.GetPushId())
	first := r.dispatched(e, at, b)
	r.hops[first].of(b.GetPosition(), push, b.GetAttempt())
	second := r.hopAt(e, at, rankSent)
	r.hops[second].of(b.GetPosition(), push, b.GetAttempt())
	if w, ok := r.begun[b.GetPosition()]; ok {
		w.hops[wayDispatched], w.hops[waySent] = first, second
		r.begun[b.GetPosition()] = w
	}
}

func (r *rows) bounced(e *schemas.Event, at place) {
	b := e.Bounced
	if b.GetPosition() == 0 {
		return // the command was no push: the bounce is part of no message's way
	}
	push := schemas.IDFrom(b.GetPushId())
	r.hops[r.dispatched(e, at, b)].of(b.GetPosition(), push, b.GetAttempt())
	h := r.hop(e, at, rankBounced)
	h.of(b.GetPosition(), push, b.GetAttempt())
	h.reason = reasonWord(b.GetReason())
}

// dispatch is what a gate says of the command that it obeyed or bounced.
type dispatch interface {
	GetDispatched() int64
	GetDispatchedBy() string
}

// dispatched is the hop before the gate's: its time and node are delivery's.
func (r *rows) dispatched(e *schemas.Event, at place, d dispatch) int {
	i := r.hopAt(e, at, rankDispatched)
	h := &r.hops[i]
	h.kind, h.node, h.parentSpan = dispatched, cmp.Or(d.GetDispatchedBy(), "delivery"), 0
	if time := d.GetDispatched(); time != 0 {
		h.at = time
	}
	return i
}

func (h *hopRow) of(position uint64, push schemas.ID, attempt uint32) {
	h.position, h.push, h.attempt = position, push, attempt
}

func (r *rows) outcome(e *schemas.Event, at place) {
	b := e.Outcome
	push := schemas.IDFrom(b.GetPushId())
	delivered := b.GetClass() == schemas.Class_CLASS_DELIVERED
	hops := noWay
	if delivered && e.Device != "" {
		hops[wayAcked] = r.hopAt(e, at, rankAcked)
		h := &r.hops[hops[wayAcked]]
		h.of(b.GetPosition(), push, b.GetAttempt())
		h.kind, h.node, h.parentSpan = acked, r.gateNode(e.Gate), 0
		if t := b.GetSteps().GetDelivered(); t != 0 {
			h.at = t
		}
	}
	hops[wayOutcome] = r.hopAt(e, at, rankOutcome)
	h := &r.hops[hops[wayOutcome]]
	h.of(b.GetPosition(), push, b.GetAttempt())
	h.class, h.reason = classWord(b.GetClass()), reasonWord(b.GetReason())
	if e.Device == "" || b.GetWhole() {
		r.ended(e, at, hops)
	}
}

// ended is the push's row by its own outcome, with these hops. Where the same
// cut accepted it, the one row stands for both. A push for later was accepted
// under one position and has its hops under another: its row stands where it was
// accepted.
func (r *rows) ended(e *schemas.Event, at place, hops way) {
	b, h := e.Outcome, &r.hops[hops[wayOutcome]]
	p, position := r.push(e, at, pushEnded), cmp.Or(b.GetPushed(), b.GetPosition())
	if w, ok := r.begun[position]; ok {
		delete(r.begun, position)
		r.pushes[w.push], r.pushes = *p, r.pushes[:len(r.pushes)-1]
		p = &r.pushes[w.push]
		p.accepts = 1
		copy(hops[:wayAcked], w.hops[:wayAcked])
	}
	p.position, p.push, p.attempt = position, h.push, b.GetAttempt()
	r.home(p, e)
	p.class, p.reason, p.ended, p.first = h.class, h.reason, h.at, b.GetFirst()
	p.name, p.label, p.platform = b.GetName(), b.GetLabel(), b.GetPlatform()
	p.family, p.command = uint16(b.GetFamily()), uint16(b.GetCommand())
	s := b.GetSteps()
	p.steps = steps{s.GetAccepted(), s.GetDispatched(), s.GetSent(), s.GetDelivered(), s.GetOpened()}
	if p.steps.accepted == 0 {
		p.steps.accepted = h.at
	}
	p.session, p.conn = h.session, h.conn
	r.tell(p, hops)
}

// when is the node's clock, or the broker's where the node set none: a row of
// 1970 would be dropped as too old.
func when(t int64, at place) int64 {
	if t == 0 {
		return at.logged
	}
	return t
}

func span(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// gateNode names a gate whose host the event does not know. The name is made
// once for each gate.
func (r *rows) gateNode(number uint32) string {
	if number == 0 {
		return ""
	}
	name, known := r.gates[number]
	if !known {
		if r.gates == nil {
			r.gates = make(map[uint32]string)
		}
		name = "gate-" + strconv.FormatUint(uint64(number), 10)
		r.gates[number] = name
	}
	return name
}
