package hop

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// mark is what the group keeps for a partition. The commit's offset is where
// the partition's next cut begins, and state is as of there. token and members
// are those of the flush that has the cut and may or may not be in ClickHouse:
// every member's mark has the same ones. No members: nothing is in doubt.
type mark struct {
	state   state
	token   token
	members []stretch
}

// token names a flush to ClickHouse. It is drawn: the marks keep it.
type token [16]byte

// stretch is a cut of one partition: from first up to, and without, next.
type stretch struct {
	topic       string
	partition   int32
	first, next int64
}

// state is all that the rows of an event depend on besides the event: whether
// it is a repeat, and whether it is a decision of the worker that owned the
// partition.
type state struct {
	term    schemas.Position // of the newest claimed
	serials *eventlog.Serials
}

// Encoded form of a mark, in base64 since a broker takes text: version (1
// byte), term (8), token (16), number of members, for each the length of its
// topic, topic, partition, first, length of the stretch, all as varints but the
// topic; then the serials. A topic of length 0 is the one before.
const markVersion = 2

// maxMetadata is what brokers take by default (offset.metadata.max.bytes).
const maxMetadata = 4096

// The members of a flush take at most membersRoom bytes of a mark before base64;
// the rest, of 3,072, is for the origins, 24 bytes each: 41 always fit.
// memberMost is what one takes besides its topic's name: the length of that,
// partition, first, length of the stretch.
const (
	membersRoom = 2048
	memberMost  = 2 + 5 + 9 + 9
)

// encode is at most maxMetadata long, or an error. If there are too many
// origins, those that have been silent the longest are left out, also if that is
// less than the hour for which they are remembered: a repeat of theirs, should
// one come after another worker has begun from this mark, would count.
func (m mark) encode() (string, error) {
	serials, head := m.state.serials, m.head()
	for {
		b := serials.Encode(head)
		n := base64.RawStdEncoding.EncodedLen(len(b))
		switch {
		case n <= maxMetadata:
			return base64.RawStdEncoding.EncodeToString(b), nil
		case serials.Len() == 0:
			return "", fmt.Errorf("encode mark: %d members take %d bytes, at most %d are allowed", len(m.members), n, maxMetadata)
		}
		serials = newest(serials, serials.Len()*3/4)
	}
}

func (m mark) head() []byte {
	b := append([]byte{markVersion}, make([]byte, 8)...)
	binary.BigEndian.PutUint64(b[1:], uint64(m.state.term))
	b = append(b, m.token[:]...)
	b = binary.AppendUvarint(b, uint64(len(m.members)))
	topic := ""
	for _, s := range m.members {
		name := s.topic
		if name == topic {
			name = ""
		}
		topic = s.topic
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
		b = binary.AppendUvarint(b, uint64(s.partition))
		b = binary.AppendUvarint(b, uint64(s.first))
		b = binary.AppendUvarint(b, uint64(s.next-s.first))
	}
	return b
}

// newest keeps the n origins that spoke last.
func newest(s *eventlog.Serials, n int) *eventlog.Serials {
	type origin struct {
		number uint64
		mark   eventlog.Mark
	}
	var all []origin
	s.Each(func(number uint64, m eventlog.Mark) { all = append(all, origin{number, m}) })
	slices.SortStableFunc(all, func(a, b origin) int { return int(b.mark.Time - a.mark.Time) })
	kept := new(eventlog.Serials)
	kept.SetTime(s.Time())
	for _, o := range all[:n] {
		kept.Set(o.number, o.mark)
	}
	return kept
}

func decodeMark(metadata string) (mark, error) {
	m := mark{state: state{serials: new(eventlog.Serials)}}
	b, err := base64.RawStdEncoding.DecodeString(metadata)
	if err != nil {
		return m, fmt.Errorf("decode mark: %w", err)
	}
	if len(b) < 1 || b[0] != markVersion {
		return m, fmt.Errorf("decode mark: %d bytes, want version %d", len(b), markVersion)
	}
	r := markReader{b[1:]}
	m.state.term = schemas.Position(binary.BigEndian.Uint64(r.take(8)))
	copy(m.token[:], r.take(len(m.token)))
	topic := ""
	for n := r.number(); n > 0 && r.b != nil; n-- {
		if name := r.take(int(r.number())); len(name) > 0 {
			topic = string(name)
		}
		s := stretch{topic: topic, partition: int32(r.number()), first: int64(r.number())}
		s.next = s.first + int64(r.number())
		m.members = append(m.members, s)
	}
	if r.b == nil {
		return mark{}, errors.New("decode mark: it is cut short")
	}
	if err := m.state.serials.Decode(r.b); err != nil {
		return m, fmt.Errorf("decode mark: %w", err)
	}
	return m, nil
}

// markReader takes an encoded mark apart. Nothing is left, nil, once there was
// too little: what it takes then means nothing, and is as long as a number.
type markReader struct{ b []byte }

func (r *markReader) take(n int) []byte {
	if n < 0 || n > len(r.b) || r.b == nil {
		r.b = nil
		return make([]byte, 8)
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *markReader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > math.MaxInt64 {
		r.b = nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// load reads a partition's mark and where its next cut begins; -1 before the
// first commit. Any member of the group may load any partition's, by p.
func load(ctx context.Context, p *eventlog.Partition, topic string, number int32) (first int64, m mark, err error) {
	first, metadata, err := p.CommittedOf(ctx, topic, number)
	if err != nil {
		return 0, mark{}, fmt.Errorf("load mark: %w", err)
	}
	if first < 0 {
		return -1, mark{state: state{serials: new(eventlog.Serials)}}, nil
	}
	if m, err = decodeMark(metadata); err != nil {
		return 0, mark{}, fmt.Errorf("load mark of offset %d: %w", first, err)
	}
	return first, m, nil
}
