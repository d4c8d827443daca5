package wire

import "encoding/binary"

// Sizes of what begins a payload, in bytes.
const (
	PushPrefixSize   = 24
	UplinkPrefixSize = 18
	AckBodySize      = 16
)

// The prefix is never compressed, so that a gate reads position, sequence and
// tries without touching the application's bytes.

// PrefixSize is the bytes between the header and the body: a [PushPrefix] on
// every push and on a response of an application's family, an [UplinkPrefix]
// on a request of an application's family, nothing on the rest.
func (h Header) PrefixSize() int {
	switch {
	case h.Kind == KindPush, h.Kind == KindResponse && h.Family != FamilySession:
		return PushPrefixSize
	case h.Kind == KindRequest && h.Family != FamilySession:
		return UplinkPrefixSize
	}
	return 0
}

// PushPrefix names a push. Both fields are 0 on what the gate says by itself
// and what no cursor counts: close, redirect, error, the refusal of an uplink.
type PushPrefix struct {
	Position uint64
	PushID   [16]byte
}

// Append appends the 24 bytes of p.
func (p PushPrefix) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, p.Position)
	return append(dst, p.PushID[:]...)
}

// ParsePushPrefix splits a payload into prefix and body. The body aliases the
// payload.
func ParsePushPrefix(payload []byte) (p PushPrefix, body []byte, err error) {
	if len(payload) < PushPrefixSize {
		return p, nil, &PrefixError{What: "push prefix", Want: PushPrefixSize, Got: len(payload)}
	}
	p.Position = binary.BigEndian.Uint64(payload)
	copy(p.PushID[:], payload[8:])
	return p, payload[PushPrefixSize:], nil
}

// UplinkPrefix says what only the device knows about its uplink.
type UplinkPrefix struct {
	Time   int64  // when this try was written, microseconds since 1970 by the device's clock
	Lowest uint64 // the lowest uplink sequence that the device still holds, this one included
	Tries  uint16 // 1 for the first; stays at 65535
}

// Append appends the 18 bytes of p.
func (p UplinkPrefix) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.Time))
	dst = binary.BigEndian.AppendUint64(dst, p.Lowest)
	return binary.BigEndian.AppendUint16(dst, p.Tries)
}

// ParseUplinkPrefix splits a payload into prefix and body. The body aliases
// the payload.
func ParseUplinkPrefix(payload []byte) (p UplinkPrefix, body []byte, err error) {
	if len(payload) < UplinkPrefixSize {
		return p, nil, &PrefixError{What: "uplink prefix", Want: UplinkPrefixSize, Got: len(payload)}
	}
	p.Time = int64(binary.BigEndian.Uint64(payload))
	p.Lowest = binary.BigEndian.Uint64(payload[8:])
	p.Tries = binary.BigEndian.Uint16(payload[16:])
	return p, payload[UplinkPrefixSize:], nil
}
