package outcomes

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// state is what the reading of a partition depends on besides its records: which
// are repeats, and whose decisions count. It is committed with the offset that it
// is as of.
type state struct {
	term    schemas.Position // of the newest claimed
	serials *eventlog.Serials
}

func newState() state { return state{serials: new(eventlog.Serials)} }

func (s *state) clone() state { return state{s.term, s.serials.Clone()} }

// sealed in the place of a term: the partition's seal has been read. Nothing
// counts behind it, whoever goes on from there.
const sealed = schemas.Position(math.MaxUint64)

// owns is false for a decision of a worker whose term is over, and follows the
// terms. A term whose claim has not been read is newer: its claim stands before
// the place where the reading began.
func (s *state) owns(e *schemas.Event, at schemas.Position) bool {
	switch {
	case s.term == sealed:
		return false
	case e.Kind == schemas.Kind_KIND_SEALED:
		s.term = sealed
		return false
	case e.Kind == schemas.Kind_KIND_CLAIMED:
		s.term = at
	case e.Kind > schemas.Kind_KIND_CLAIMED && e.Kind < schemas.Kind_KIND_STARTED:
		s.term = max(s.term, schemas.Position(e.Term))
		return schemas.Position(e.Term) == s.term
	}
	return true
}

// Encoded form, in base64 since brokers take text: version (1 byte), term (8,
// big-endian), serials.
const (
	stateVersion = 1
	stateHead    = 1 + 8
	// stateMost is what brokers take by default (offset.metadata.max.bytes).
	stateMost = 4096
)

// encode is at most stateMost long. Of more than 126 origins the ones that have
// been silent the longest are left out: a repeat of theirs, should one come after
// this state has been read again, would be told twice.
func (s state) encode() string {
	head := append([]byte{stateVersion}, make([]byte, 8)...)
	binary.BigEndian.PutUint64(head[1:], uint64(s.term))
	for serials := s.serials; ; serials = newest(serials, serials.Len()*3/4) {
		b := serials.Encode(head)
		if base64.RawStdEncoding.EncodedLen(len(b)) <= stateMost {
			return base64.RawStdEncoding.EncodeToString(b)
		}
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
	slices.SortStableFunc(all, func(a, b origin) int { return cmp.Compare(b.mark.Time, a.mark.Time) })
	kept := new(eventlog.Serials)
	kept.SetTime(s.Time())
	for _, o := range all[:n] {
		kept.Set(o.number, o.mark)
	}
	return kept
}

// decodeState reads what encode made; no text is an empty state.
func decodeState(text string) (state, error) {
	s := newState()
	if text == "" {
		return s, nil
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return s, fmt.Errorf("decode state: %w", err)
	}
	if len(b) < stateHead || b[0] != stateVersion {
		return s, fmt.Errorf("decode state: %d bytes, want version %d", len(b), stateVersion)
	}
	s.term = schemas.Position(binary.BigEndian.Uint64(b[1:]))
	if err := s.serials.Decode(b[stateHead:]); err != nil {
		return newState(), fmt.Errorf("decode state: %w", err)
	}
	return s, nil
}
