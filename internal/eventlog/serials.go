package eventlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// forgetAfter is how long an origin is remembered after its last record, in
// microseconds of broker time. No producer retries for that long: within an
// hour a repeat has come or never will.
const forgetAfter = int64(time.Hour / time.Microsecond)

// Mark is the highest serial of one origin, and the broker's time of its last
// record in microseconds.
type Mark struct {
	Serial uint64
	Time   int64
}

// Serials tells repeats in one partition: the highest serial of each origin.
// It is a fold of the partition, pure, and stored with the state of its reader.
// What it holds depends on the records alone, not on when it was stored.
//
// The zero value is empty and ready. It is not safe for concurrent use.
type Serials struct {
	marks map[uint64]Mark
	last  int64 // highest broker time seen
	sweep int   // number of marks at which the forgotten are removed
}

// smallestSweep keeps a handful of gates from being swept at every record.
const smallestSweep = 64

// Fresh records an append and says whether it is the first of its kind: false
// means a repeat, to be ignored. Origin 0 is none: always fresh. Time is the
// broker's, in microseconds.
func (s *Serials) Fresh(origin, serial uint64, at int64) bool {
	s.last = max(s.last, at)
	if origin == 0 {
		return true
	}
	m, known := s.marks[origin]
	if known && !s.forgotten(m) && serial <= m.Serial {
		return false
	}
	s.put(origin, Mark{Serial: serial, Time: s.last})
	return true
}

// put stores a mark, and sweeps when the marks have doubled since the last
// sweep: each mark pays for its own.
func (s *Serials) put(origin uint64, m Mark) {
	if s.marks == nil {
		s.marks = make(map[uint64]Mark)
	}
	s.marks[origin] = m
	if len(s.marks) > max(s.sweep, smallestSweep) {
		s.forget()
		s.sweep = 2 * len(s.marks)
	}
}

// forgotten is judged by broker time alone: a mark that has not been swept yet
// counts no more than one that has.
func (s *Serials) forgotten(m Mark) bool { return s.last-m.Time > forgetAfter }

func (s *Serials) forget() {
	maps.DeleteFunc(s.marks, func(_ uint64, m Mark) bool { return s.forgotten(m) })
}

// Time is the highest broker time seen, in microseconds.
func (s *Serials) Time() int64 { return s.last }

// Len is the number of origins that are remembered.
func (s *Serials) Len() int {
	s.forget()
	return len(s.marks)
}

// Apply brings the reader's own serials up to the end of a batch that it has
// worked through.
func (s *Serials) Apply(b Batch) {
	s.SetTime(b.Time)
	for _, m := range b.Marks {
		s.put(m.Origin, m.Mark)
	}
}

// Set puts one stored origin back. The marks of one partition may be set in any
// order.
func (s *Serials) Set(origin uint64, m Mark) {
	s.last = max(s.last, m.Time)
	s.put(origin, m)
}

// SetTime puts the stored broker time back.
func (s *Serials) SetTime(at int64) { s.last = max(s.last, at) }

// Each calls f for each origin that is remembered, in order of their numbers.
func (s *Serials) Each(f func(origin uint64, m Mark)) {
	s.forget()
	for _, origin := range slices.Sorted(maps.Keys(s.marks)) {
		f(origin, s.marks[origin])
	}
}

// Clone is a copy that shares nothing.
func (s *Serials) Clone() *Serials {
	return &Serials{marks: maps.Clone(s.marks), last: s.last, sweep: s.sweep}
}

// Encoded form: version (1 byte), last time (8 bytes), then 24 bytes for each
// origin: origin, serial, time. Big-endian, by rising origin, so that equal
// serials have equal bytes.
const (
	serialsVersion = 1
	serialsHead    = 1 + 8
	serialsRow     = 3 * 8
)

// Encode appends the encoded serials to dst.
func (s *Serials) Encode(dst []byte) []byte {
	dst = append(dst, serialsVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.last))
	s.Each(func(origin uint64, m Mark) {
		dst = binary.BigEndian.AppendUint64(dst, origin)
		dst = binary.BigEndian.AppendUint64(dst, m.Serial)
		dst = binary.BigEndian.AppendUint64(dst, uint64(m.Time))
	})
	return dst
}

// Decode replaces the serials by encoded ones; no bytes at all are empty
// serials. After an error the serials are empty.
func (s *Serials) Decode(b []byte) error {
	*s = Serials{}
	if len(b) == 0 {
		return nil
	}
	if b[0] != serialsVersion {
		return fmt.Errorf("decode serials: version %d, want %d", b[0], serialsVersion)
	}
	if len(b) < serialsHead || (len(b)-serialsHead)%serialsRow != 0 {
		return fmt.Errorf("decode serials: %d bytes, want %d and %d for each origin", len(b), serialsHead, serialsRow)
	}
	if err := s.decodeRows(b[serialsHead:], int64(binary.BigEndian.Uint64(b[1:]))); err != nil {
		*s = Serials{}
		return fmt.Errorf("decode serials: %w", err)
	}
	return nil
}

var errUnsorted = errors.New("origins are not rising")

func (s *Serials) decodeRows(b []byte, last int64) error {
	s.last = last
	s.marks = make(map[uint64]Mark, len(b)/serialsRow)
	s.sweep = 2 * len(b) / serialsRow
	var previous uint64
	for ; len(b) > 0; b = b[serialsRow:] {
		origin := binary.BigEndian.Uint64(b)
		m := Mark{Serial: binary.BigEndian.Uint64(b[8:]), Time: int64(binary.BigEndian.Uint64(b[16:]))}
		if origin <= previous {
			return errUnsorted
		}
		if m.Time > last || s.forgotten(m) {
			return fmt.Errorf("origin %d: time %d does not fit the last time %d", origin, m.Time, last)
		}
		s.marks[origin], previous = m, origin
	}
	return nil
}
