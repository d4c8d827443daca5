package console

import (
	"time"

	"waybill/schemas"
)

// Hop is a row of hops: one stretch of one message's way.
type Hop struct {
	Trace    schemas.ID
	Position uint64 // of the message: push or uplink
	Attempt  uint32 // nth connection on which the push was dispatched to the device
	Rank     uint8  // of the kind, in causal order
	Kind     string
	At       time.Time // clock of the node
	App      string
	User     string
	Device   string
	Conn     schemas.ConnID
	Node     string
	Class    string
	Reason   string
	Push     schemas.ID
	Size     uint32 // bytes of the body, where the event knows it
	Topic    string
	Place    uint64 // position of the record that says so
}

// Connection is a row of connections: what happened to a device of a user.
type Connection struct {
	Kind     string // connected, disconnected, route_ended, kicked, session_ended, refused
	At       time.Time
	App      string
	User     string
	Device   string
	Conn     schemas.ConnID
	Node     string
	Reason   string
	How      string // of connected: login or resume; of refused: what was turned away
	Detail   string
	Platform string
	Network  string
	Place    uint64 // position of the record
}

// Ranks that divide a way: what precedes all attempts, the attempts, and what
// follows them.
const (
	rankAttempts = 10
	rankAfter    = 40
)

func (h *Hop) phase() int {
	switch {
	case h.Rank < rankAttempts:
		return 0
	case h.Rank < rankAfter:
		return 1
	}
	return 2
}
