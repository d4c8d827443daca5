package wire

import "slices"

// AppendFrame appends a whole frame: h with its Version and Length filled in,
// then prefix, then body.
func AppendFrame(dst []byte, h Header, prefix, body []byte) []byte {
	h.Version = Version
	h.Length = uint32(len(prefix) + len(body))
	dst = slices.Grow(dst, HeaderSize+int(h.Length))
	dst = h.Append(dst)
	dst = append(dst, prefix...)
	return append(dst, body...)
}

// The functions below exist for what one side writes often or easily gets
// wrong: they know which prefix belongs to which frame. All of them append to
// dst and allocate only where it is too small.

// AppendPush appends a push frame; h.Kind is filled in.
func AppendPush(dst []byte, h Header, p PushPrefix, body []byte) []byte {
	h.Kind = KindPush
	return appendPrefixed(dst, h, p, body)
}

// AppendUplink appends a request frame of an application's family; h.Kind is
// filled in.
func AppendUplink(dst []byte, h Header, p UplinkPrefix, body []byte) []byte {
	var b [UplinkPrefixSize]byte
	h.Kind = KindRequest
	return AppendFrame(dst, h, p.Append(b[:0]), body)
}

// AppendResponse appends the response to the request req, with its sequence,
// family, command and trace id. On an application's family it has a zero
// prefix: the gate itself answers.
func AppendResponse(dst []byte, req Header, status uint16, body []byte) []byte {
	h := req.answer(KindResponse)
	h.Status = status
	if h.PrefixSize() == 0 {
		return AppendFrame(dst, h, nil, body)
	}
	return appendPrefixed(dst, h, PushPrefix{}, body)
}

// AppendUplinkAck appends the ack of the one-way uplink req: it is in the log.
func AppendUplinkAck(dst []byte, req Header) []byte {
	return AppendFrame(dst, req.answer(KindAck), nil, nil)
}

// Next cuts the first whole frame off buf. The payload and the rest alias buf;
// while the frame is not complete it returns [ErrShort]. Any other error ends
// the stream, because where the next frame begins is unknown.
func Next(buf []byte, maxBody uint32) (h Header, payload, rest []byte, err error) {
	h, err = ParseHeader(buf, maxBody)
	if err != nil {
		return Header{}, nil, buf, err
	}
	end := HeaderSize + uint64(h.Length)
	if uint64(len(buf)) < end {
		return h, nil, buf, ErrShort
	}
	return h, buf[HeaderSize:end:end], buf[end:], nil
}

func appendPrefixed(dst []byte, h Header, p PushPrefix, body []byte) []byte {
	var b [PushPrefixSize]byte
	return AppendFrame(dst, h, p.Append(b[:0]), body)
}

// answer is the header of kind k that answers h.
func (h Header) answer(k Kind) Header {
	return Header{Kind: k, Family: h.Family, Command: h.Command, Sequence: h.Sequence, Trace: h.Trace}
}
