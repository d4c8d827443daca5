package hop

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// mark is what the group keeps for a partition. The commit's offset is where a
// cut begins; state is as of there; next is where the cut ends that may or may
// not be in ClickHouse. next equal to the offset: nothing is in doubt.
type mark struct {
	next  int64
	state state
}

// state is all that the rows of an event depend on besides the event: whether
// it is a repeat, and whether it is a decision of the worker that owned the
// partition.
type state struct {
	term    schemas.Position // of the newest claimed
	serials *eventlog.Serials
}

// Encoded form of a mark, in base64 since a broker takes text: version (1
// byte), next (8), term (8), serials.
const (
	markVersion = 1
	markHead    = 1 + 8 + 8
)

// maxMetadata is what brokers take by default (offset.metadata.max.bytes).
const maxMetadata = 4096

// encode is at most maxMetadata long. If there are too many origins, those that
// have been silent the longest are left out: a repeat of theirs, after hours,
// would count.
func (m mark) encode() string {
	serials := m.state.serials
	for {
		b := []byte{markVersion}
		b = binary.BigEndian.AppendUint64(b, uint64(m.next))
		b = binary.BigEndian.AppendUint64(b, uint64(m.state.term))
		b = serials.Encode(b)
		if base64.RawStdEncoding.EncodedLen(len(b)) <= maxMetadata {
			return base64.RawStdEncoding.EncodeToString(b)
		}
		serials = newest(serials, serials.Len()*3/4)
	}
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
	if len(b) < markHead || b[0] != markVersion {
		return m, fmt.Errorf("decode mark: %d bytes, want version %d and at least %d", len(b), markVersion, markHead)
	}
	m.next = int64(binary.BigEndian.Uint64(b[1:]))
	m.state.term = schemas.Position(binary.BigEndian.Uint64(b[9:]))
	if err := m.state.serials.Decode(b[markHead:]); err != nil {
		return m, fmt.Errorf("decode mark: %w", err)
	}
	return m, nil
}

// load reads the partition's mark and where its cut begins; before the first
// commit that is the oldest record.
func load(ctx context.Context, p *eventlog.Partition) (first int64, m mark, err error) {
	first, metadata, err := p.Committed(ctx)
	if err != nil {
		return 0, mark{}, fmt.Errorf("load mark: %w", err)
	}
	if first < 0 {
		return eventlog.FromStart, mark{next: eventlog.FromStart, state: state{serials: new(eventlog.Serials)}}, nil
	}
	if m, err = decodeMark(metadata); err != nil {
		return 0, mark{}, fmt.Errorf("load mark of offset %d: %w", first, err)
	}
	return first, m, nil
}
