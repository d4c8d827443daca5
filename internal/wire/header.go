package wire

import "encoding/binary"

// Version is the only version of the protocol so far.
const Version uint8 = 1

// HeaderSize is the bytes of every header.
const HeaderSize = 40

// Header begins every frame.
type Header struct {
	Version  uint8
	Kind     Kind
	Flags    Flags
	Family   uint16   // 0 is the session, all others are the applications'
	Command  uint16   // command in the high byte, sub-command in the low one
	Status   uint16   // of a response: 0 ok, else the number of a reason
	Length   uint32   // of everything after the header, in bytes, prefix included
	Sequence uint64   // of a request, repeated by its answer; 0 on other frames
	Trace    [16]byte // W3C trace id; zero where there is none
}

// Append and ParseHeader are symmetric: what one writes, the other reads back
// field by field. Neither takes memory.

// Append appends the 40 bytes of h. The reserved bytes are 0.
func (h Header) Append(dst []byte) []byte {
	dst = append(dst, h.Version, byte(h.Kind))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Flags))
	dst = binary.BigEndian.AppendUint16(dst, h.Family)
	dst = binary.BigEndian.AppendUint16(dst, h.Command)
	dst = binary.BigEndian.AppendUint16(dst, h.Status)
	dst = append(dst, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, h.Length)
	dst = binary.BigEndian.AppendUint64(dst, h.Sequence)
	return append(dst, h.Trace[:]...)
}

// ParseHeader reads the header that b begins with. maxBody bounds Length; what
// is over it is a *[TooLargeError]. A header that has not come whole is
// [ErrShort], unless the bytes that are there are already wrong: garbage is
// refused at its first byte, not after forty.
func ParseHeader(b []byte, maxBody uint32) (Header, error) {
	if err := checkHeader(b, maxBody); err != nil {
		return Header{}, err
	}
	h := Header{
		Version:  b[0],
		Kind:     Kind(b[1]),
		Flags:    Flags(binary.BigEndian.Uint16(b[2:])),
		Family:   binary.BigEndian.Uint16(b[4:]),
		Command:  binary.BigEndian.Uint16(b[6:]),
		Status:   binary.BigEndian.Uint16(b[8:]),
		Length:   binary.BigEndian.Uint32(b[12:]),
		Sequence: binary.BigEndian.Uint64(b[16:]),
	}
	copy(h.Trace[:], b[24:HeaderSize])
	return h, nil
}

// checkHeader judges each field as soon as its bytes are there, in their order
// on the wire. The order matters: a header of another version may mean anything
// from its second byte on, so only its version is named.
func checkHeader(b []byte, maxBody uint32) error {
	n := len(b)
	if n >= 1 && b[0] != Version {
		return &VersionError{Version: b[0]}
	}
	if n >= 2 && !Kind(b[1]).known() {
		return &KindError{Kind: Kind(b[1])}
	}
	if n >= 4 {
		if f := Flags(binary.BigEndian.Uint16(b[2:])); f&^KnownFlags != 0 {
			return &FlagError{Flags: f}
		}
	}
	if n >= 12 {
		if r := binary.BigEndian.Uint16(b[10:]); r != 0 {
			return &ReservedError{Reserved: r}
		}
	}
	if n >= 16 {
		if l := binary.BigEndian.Uint32(b[12:]); l > maxBody {
			return &TooLargeError{Length: l, Max: maxBody}
		}
	}
	if n < HeaderSize {
		return ErrShort
	}
	return nil
}
