package schemas

import "encoding/hex"

// TraceparentSize is the length of a traceparent.
const TraceparentSize = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

// AppendTraceparent appends the event's place in its trace in the form of W3C,
// sampled. Where no span is known, the trace id's own last half stands for it:
// it is never zero.
func (x *Event) AppendTraceparent(b []byte) []byte {
	id := IDFrom(x.TraceId)
	parent := id[8:]
	if len(x.ParentSpan) == 8 {
		parent = x.ParentSpan
	}
	b = hex.AppendEncode(append(b, "00-"...), id[:])
	b = hex.AppendEncode(append(b, '-'), parent)
	return append(b, "-01"...)
}
