package ledger

import "waybill/schemas"

// Rows are those that ClickHouse must have of the log, by kind. An event of
// waybill.events is a hop, two hops, or something that happened to a user's
// device; the ack of a push is told by its outcome.
type Rows struct{ Hops, Connections map[string]int }

func newRows() Rows {
	return Rows{Hops: make(map[string]int), Connections: make(map[string]int)}
}

// enter takes an event that is no decision of an older term.
func (r Rows) enter(e *schemas.Event) {
	switch e.Kind {
	case schemas.Kind_KIND_BOUNCED:
		if e.Bounced.GetPosition() == 0 {
			return // of a command that was no push
		}
		r.Hops["dispatched"]++
		r.Hops["bounced"]++
	case schemas.Kind_KIND_SENT:
		r.Hops["dispatched"]++
		r.Hops["sent"]++
	case schemas.Kind_KIND_OUTCOME:
		if e.Device != "" && e.Outcome.GetClass() == schemas.Class_CLASS_DELIVERED {
			r.Hops["acked"]++
		}
		r.Hops["outcome"]++
	case schemas.Kind_KIND_PUSHED, schemas.Kind_KIND_CANCEL_ASKED, schemas.Kind_KIND_RELEASED, schemas.Kind_KIND_OPENED,
		schemas.Kind_KIND_RELAYED, schemas.Kind_KIND_PARKED, schemas.Kind_KIND_UNREACHED:
		r.Hops[e.Kind.Word()]++
	case schemas.Kind_KIND_REFUSED:
		if len(e.TraceId) > 0 {
			r.Hops["refused"]++
		}
		r.Connections["refused"]++
	case schemas.Kind_KIND_CONNECTED, schemas.Kind_KIND_DISCONNECTED, schemas.Kind_KIND_ROUTE_ENDED, schemas.Kind_KIND_KICKED,
		schemas.Kind_KIND_SESSION_ENDED:
		r.Connections[e.Kind.Word()]++
	}
}
