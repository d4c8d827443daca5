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

// begun is what a cut holds of a push that it accepted: where its row stands,
// and its hops before the outcome; the dispatched one stands before the sent
// one. -1 = none yet.
type begun struct{ push, pushed, sent int }

// way is a hop as the row of an ended push says it. The view hops says the same
// in SQL (migrations/clickhouse): change both.
func (p *pushRow) way(hop int) hopRow {
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
		h.rank, h.kind, h.at, h.node, h.parentSpan = rankAcked, acked, p.steps.delivered, gateNode(p.conn.Gate), 0
	case wayOutcome:
		h.rank, h.kind, h.at, h.node = rankOutcome, outcome, p.ended, p.endedBy
		h.class, h.reason = p.class, p.reason
	}
	return h
}

// tell finds out which of the hops the push's row says to the last field, and
// drops those. hops are places in r.hops by their order in way, -1 = none.
func (r *rows) tell(p *pushRow, hops [wayHops]int) {
	for hop, i := range hops {
		if i < 0 {
			continue
		}
		h := &r.hops[i]
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
		said := p.way(hop)
		said.place.logged = h.place.logged // no column
		if said == *h {
			p.tells |= 1 << hop
			h.kind = "" // settle drops it
		}
	}
}

// settle ends the cut: hops that rows of pushes tell have none of their own.
func (r *rows) settle() {
	kept := r.hops[:0]
	for i := range r.hops {
		if r.hops[i].kind != "" {
			kept = append(kept, r.hops[i])
		}
	}
	clear(r.hops[len(kept):])
	r.hops = kept
}
