package console

import (
	"slices"
	"time"

	"waybill/schemas"
)

// Trace is a trace as people read it: one verdict, and the way of each of its
// messages. A call to many users is one trace with a message for each.
type Trace struct {
	ID      string `json:"trace_id"`
	Verdict string `json:"verdict"`
	// State is that of the message, or "mixed".
	State    string    `json:"state"`
	Messages []Message `json:"messages"`
	// Others is how many more messages the trace has, where one push was asked for.
	Others int `json:"others,omitempty"`
	// Partial says what is missing from this answer; empty = nothing.
	Partial string `json:"partial,omitempty"`
}

// only narrows the trace to the push with that id, if it has it: who asks for
// one push of a call to many does not want the others.
func (t *Trace) only(push schemas.ID) {
	i := slices.IndexFunc(t.Messages, func(m Message) bool { return m.PushID == push.String() })
	if i < 0 {
		return
	}
	m := t.Messages[i]
	t.Others = len(t.Messages) - 1
	t.Messages, t.State, t.Verdict = []Message{m}, m.State, m.Verdict
}

// States of a message beside the classes of outcomes (delivered, withdrawn,
// lost, unconfirmed).
const (
	StateInFlight = "in_flight"
	StateUplinked = "uplinked"
	StateParked   = "parked"
	StateRefused  = "refused"
	StateMixed    = "mixed"
)

// Message is one push or uplink and its way.
type Message struct {
	App      string `json:"app"`
	User     string `json:"user"`
	PushID   string `json:"push_id,omitempty"`
	Position uint64 `json:"position"`
	Bytes    uint32 `json:"bytes,omitempty"`
	State    string `json:"state"`
	Verdict  string `json:"verdict"`
	Hops     []Line `json:"hops"`
	// Clocks says where the nodes' clocks contradict the causal order.
	Clocks []string `json:"clocks,omitempty"`
}

// Line is one hop of a way, or something that happened to the device meanwhile.
type Line struct {
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Micros int64     `json:"after_us"` // since the line that it follows from; 0 for the first
	Device string    `json:"device,omitempty"`
	Conn   string    `json:"connection,omitempty"`
	Node   string    `json:"node,omitempty"`
	// Attempt is 0 where it is beside all attempts.
	Attempt uint32 `json:"attempt,omitempty"`
	Class   string `json:"class,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Explained is the reason in a sentence, Detail what the event adds.
	Explained string `json:"explained,omitempty"`
	Detail    string `json:"detail,omitempty"`
	// Behind marks a line whose clock contradicts the causal order.
	Behind bool `json:"behind,omitempty"`

	conn  schemas.ConnID
	place uint64
	phase int
	isHop bool
}

func hopLine(h *Hop) Line {
	return Line{
		Kind: h.Kind, At: h.At, Device: h.Device, Conn: h.Conn.String(), Node: h.Node, Attempt: h.Attempt,
		Class: h.Class, Reason: h.Reason, Explained: explain(h.Reason),
		conn: h.Conn, place: h.Place, phase: h.phase(), isHop: true,
	}
}

func connectionLine(c *Connection) Line {
	l := Line{
		Kind: c.Kind, At: c.At, Device: c.Device, Conn: c.Conn.String(), Node: c.Node,
		Reason: c.Reason, Explained: explain(c.Reason), Detail: c.Detail,
		conn: c.Conn, place: c.Place, phase: 1,
	}
	if c.How != "" {
		l.Kind += " (" + c.How + ")"
	}
	return l
}

// explain says a reason's word in a sentence; no reason needs none.
func explain(word string) string {
	if word == "" {
		return ""
	}
	reason, known := schemas.ReasonOf(word)
	if !known {
		reason = -1 // of a newer version, as Explain says
	}
	return reason.Explain()
}
