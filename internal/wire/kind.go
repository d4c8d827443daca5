package wire

import "strconv"

// Kind says what a frame is to its receiver.
type Kind uint8

// The kinds. 0 is none of them, so that a zeroed header is never valid.
const (
	KindRequest  Kind = 1 // wants an answer: one response, or one ack if it is one-way
	KindResponse Kind = 2 // answers the request of the same sequence
	KindPush     Kind = 3 // from the gate, unasked
	KindAck      Kind = 4 // a device's cursor, or the gate's answer to a one-way uplink
)

// String is the word that traces and metrics show.
func (k Kind) String() string {
	switch k {
	case KindRequest:
		return "request"
	case KindResponse:
		return "response"
	case KindPush:
		return "push"
	case KindAck:
		return "ack"
	}
	return "kind_" + strconv.Itoa(int(k))
}

func (k Kind) known() bool { return k >= KindRequest && k <= KindAck }
