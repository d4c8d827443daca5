package eventlog

import "encoding/binary"

// The stamp is two protobuf fields at the end of an encoded Event or Command.
// Concatenated messages merge, so nobody encodes twice.
const (
	tagOrigin = 14<<3 | 1 // fixed64
	tagSerial = 15 << 3   // varint
)

// AppendStamp is for a record that is appended with NoStamp: with an origin and
// serial of the caller's, who answers for their order.
func AppendStamp(b []byte, origin, serial uint64) []byte { return appendStamp(b, origin, serial) }

func appendStamp(b []byte, origin, serial uint64) []byte {
	b = append(b, tagOrigin)
	b = binary.LittleEndian.AppendUint64(b, origin)
	b = append(b, tagSerial)
	return binary.AppendUvarint(b, serial)
}
