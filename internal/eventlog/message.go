package eventlog

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	errEmpty    = errors.New("the record is empty")
	errNoHeader = errors.New("the record has no header " + StampHeaderName)
)

type message interface{ UnmarshalVTUnsafe([]byte) error }

// unmarshal refuses what is empty: a message without a kind says nothing.
func unmarshal(m message, b []byte) error {
	switch {
	case b == nil:
		return errNoHeader
	case len(b) == 0:
		return errEmpty
	}
	return m.UnmarshalVTUnsafe(b)
}

func headers(r *kgo.Record) []Header {
	hs := make([]Header, len(r.Headers))
	for i, h := range r.Headers {
		hs[i] = Header{Key: h.Key, Value: h.Value}
	}
	return hs
}

func headerValue(hs []Header) []byte {
	for _, h := range hs {
		if h.Key == StampHeaderName {
			return h.Value
		}
	}
	return nil
}

// mark remembers the highest serial of the record's origin.
func (b *Batch) mark(st stamped, s *Serials) {
	if st.origin == 0 {
		return
	}
	m := OriginMark{Origin: st.origin, Mark: s.marks[st.origin]}
	for i := range b.Marks {
		if b.Marks[i].Origin == st.origin {
			b.Marks[i] = m
			return
		}
	}
	b.Marks = append(b.Marks, m)
}
