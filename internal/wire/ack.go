package wire

import "encoding/binary"

// AckBody is what a device says about its pushes.
type AckBody struct {
	Cursor   uint64 // position up to which it has handled everything; cumulative
	Received uint64 // position of the push that it is handling now; 0 = none
}

// Append appends the 16 bytes of a.
func (a AckBody) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, a.Cursor)
	return binary.BigEndian.AppendUint64(dst, a.Received)
}

// ParseAckBody reads the payload of a device's ack. Bytes after the first 16
// are left to later versions.
func ParseAckBody(payload []byte) (AckBody, error) {
	if len(payload) < AckBodySize {
		return AckBody{}, &PrefixError{What: "ack body", Want: AckBodySize, Got: len(payload)}
	}
	return AckBody{
		Cursor:   binary.BigEndian.Uint64(payload),
		Received: binary.BigEndian.Uint64(payload[8:]),
	}, nil
}

// AppendAck appends the ack frame of a device.
func AppendAck(dst []byte, a AckBody) []byte {
	h := Header{Version: Version, Kind: KindAck, Command: CmdAck, Length: AckBodySize}
	return a.Append(h.Append(dst))
}
