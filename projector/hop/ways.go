package hop

import "waybill/schemas"

// Hops that a push's row can stand for, as bits of its tells, and in the order
// of way.
const (
	wayPushed = iota
	wayDispatched
	waySent
	wayAcked
	wayOutcome
	wayHops // how many

	tellsAimed = 1 << wayHops // the pushed hop names the device
)

// way is where the hops of a push stand, by their order; -1 = nowhere.
type way [wayHops]int

var noWay = way{-1, -1, -1, -1, -1}

// begun is what a cut holds of a push that it accepted: where its row stands,
// and its hops before the outcome.
type begun struct {
	push int
	hops way
}

// told is a hop as the row of an ended push says it. The view hops says the same
// in SQL (migrations/clickhouse): change both.
func (r *rows) told(p *pushRow, hop int) hopRow {
	h := hopRow{
		trace: p.trace, position: p.position, app: p.app, user: p.user, push: p.push, place: p.place,
		device: p.device, session: p.session, conn: p.conn, attempt: p.attempt, parentSpan: p.span,
	}
	switch hop {
	case wayPushed:
		h.rank, h.kind, h.at, h.node, h.size = rankPushed, pushed, p.steps.accepted, p.acceptedBy, p.size
		h.session, h.conn, h.attempt, h.place.position = schemas.ID{}, schemas.ConnID{}, 0, schemas.Position(p.position)
		if p.tells&tellsAimed == 0 {
			h.device = ""
		}
	case wayDispatched:
		h.rank, h.kind, h.at, h.node = rankDispatched, dispatched, p.steps.dispatched, p.dispatchedBy
		h.parentSpan, h.place.position = 0, p.sentPlace
	case waySent:
		h.rank, h.kind, h.at, h.node, h.place.position = rankSent, sent, p.steps.sent, p.sentBy, p.sentPlace
	case wayAcked:
		h.rank, h.kind, h.at, h.node, h.parentSpan = rankAcked, acked, p.steps.delivered, r.gateNode(p.conn.Gate), 0
	case wayOutcome:
		h.rank, h.kind, h.at, h.node = rankOutcome, outcome, p.ended, p.endedBy
		h.class, h.reason = p.class, p.reason
	}
	return h
}

// tell finds out which of the hops the push's row says to the last field, and
// drops those.
func (r *rows) tell(p *pushRow, hops way) {
	for hop, i := range hops {
		if i < 0 {
			continue
		}
		h := &r.hops[i]
		p.takeOver(hop, h)
		said := r.told(p, hop)
		said.place.logged = h.place.logged // no column
		if said == *h {
			p.tells |= 1 << hop
			h.kind = ""
			r.free = append(r.free, i)
		}
	}
}

// takeOver keeps in the push's row what only that hop knows.
func (p *pushRow) takeOver(hop int, h *hopRow) {
	switch hop {
	case wayPushed:
		p.acceptedBy, p.size = h.node, h.size
		if h.device != "" {
			p.tells |= tellsAimed
		}
	case wayDispatched:
		p.dispatchedBy, p.sentPlace = h.node, h.place.position
	case waySent:
		p.sentBy = h.node
	case wayOutcome:
		p.endedBy = h.node
	}
}

// settle ends the cut: only hops that are not told by a push's row are left.
func (r *rows) settle() {
	if len(r.free) == 0 {
		return
	}
	kept := r.hops[:0]
	for i := range r.hops {
		if r.hops[i].kind != "" {
			kept = append(kept, r.hops[i])
		}
	}
	clear(r.hops[len(kept):])
	r.hops, r.free = kept, r.free[:0]
}
