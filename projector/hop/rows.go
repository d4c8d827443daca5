package hop

import (
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// place is where a record stands in the log.
type place struct {
	topic     string
	partition int32
	position  schemas.Position
	logged    int64 // broker's append time, microseconds
}

// hopRow is a row of hop_rows. Times here and below are microseconds since 1970.
type hopRow struct {
	trace, session, push schemas.ID
	conn                 schemas.ConnID
	position             uint64
	at                   int64
	parentSpan           uint64
	attempt, size        uint32
	rank                 uint8
	kind, class, reason  string
	app, user, device    string
	node                 string
	place                place
}

// connectionRow is a row of connections.
type connectionRow struct {
	session, install, trace    schemas.ID
	conn                       schemas.ConnID
	at                         int64
	cursor, count              uint64
	traffic                    traffic
	kind, reason, how, detail  string
	app, user, device, node    string
	platform, version, network string
	address                    string
	place                      place
}

// pushRow is a row of pushes.
type pushRow struct {
	trace, push             schemas.ID
	position, first         uint64
	steps                   steps
	expires, ended          int64
	span                    uint64 // the caller's own, 0 = none
	attempt, size           uint32
	family, command         uint16
	version, accepts        uint8 // accepts: 1 = the row stands for the acceptance
	tells                   uint8 // hops that the row stands for (ways.go); what follows is theirs
	session                 schemas.ID
	conn                    schemas.ConnID
	sentPlace               schemas.Position
	acceptedBy, endedBy     string
	dispatchedBy, sentBy    string
	class, reason           string
	app, user, device, name string
	label, platform         string
	place                   place
}

// traffic of a connection, frames and bytes by direction.
type traffic struct{ framesIn, framesOut, bytesIn, bytesOut, swallowed uint64 }

// steps are the first times that a push reached each step; 0 = not.
type steps struct{ accepted, dispatched, sent, delivered, opened int64 }

// Versions of a push's row: the higher one replaces the lower.
const (
	pushAccepted = 0
	pushEnded    = 1
)

// rows is what a cut becomes. Strings in it may alias the memory of a fetch.
type rows struct {
	hops        []hopRow
	connections []connectionRow
	pushes      []pushRow

	// formers say which partition a key had, by the epochs before the cut's.
	formers []func(key []byte) int32

	begun map[uint64]begun  // those pushes that have not ended, by position
	free  []int             // places in hops that hold none
	gates map[uint32]string // their names
}

func (r *rows) len() int { return len(r.hops) - len(r.free) + len(r.connections) + len(r.pushes) }

// home: topic and partition name a push, together with its position, so they are
// those where it began: perhaps in an epoch that is over.
func (r *rows) home(p *pushRow, e *schemas.Event) {
	began := schemas.Position(p.position).Epoch()
	if began >= p.place.position.Epoch() || int(began) >= len(r.formers) || r.formers[began] == nil {
		return
	}
	p.place.topic = eventlog.EventsOf(began)
	p.place.partition = r.formers[began](schemas.Key(e.App, e.User))
}

// reset empties the rows and keeps their memory for the next cut.
func (r *rows) reset() {
	clear(r.hops)
	clear(r.connections)
	clear(r.pushes)
	clear(r.begun)
	r.hops, r.connections, r.pushes, r.free = r.hops[:0], r.connections[:0], r.pushes[:0], r.free[:0]
}
