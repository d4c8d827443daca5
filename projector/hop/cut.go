package hop

import (
	"math"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// cut is a stretch of one partition on its way to ClickHouse.
type cut struct {
	stretch
	was, is state // as of first and as of next
	rows    rows
}

// begin empties the cut: it is to go on at first, with the state as of there,
// which is not the caller's any more.
func (c *cut) begin(topic string, partition int32, first int64, s state) {
	c.stretch = stretch{topic, partition, first, first}
	c.was, c.is = s, s.clone()
	c.rows.reset()
}

// take folds a batch, up to the offset before until; 0 = all of it.
func (c *cut) take(b eventlog.Batch, until int64) {
	entries := b.Entries
	if until == 0 || b.Next <= until {
		c.next = b.Next
		c.is.serials.Apply(b)
	} else {
		c.next = until
		entries = c.is.before(entries, until)
	}
	for i := range entries {
		e := &entries[i]
		if c.is.owns(e.Event, e.Position) {
			c.rows.add(e.Event, place{c.topic, c.partition, e.Position, e.Time})
		}
	}
}

// before are the entries before an offset. Their serials are told one by one:
// the marks of their batch are as of its end.
func (s *state) before(entries []eventlog.Entry, offset int64) []eventlog.Entry {
	for i := range entries {
		e := &entries[i]
		if e.Offset >= offset {
			return entries[:i]
		}
		s.serials.Fresh(e.Event.Origin, e.Event.Serial, e.Time)
	}
	return entries
}

func (s *state) clone() state { return state{term: s.term, serials: s.serials.Clone()} }

// sealed in the place of a term: the partition's seal has been read. Nothing
// counts behind it, whoever goes on from there.
const sealed = schemas.Position(math.MaxUint64)

// owns is false for a decision of a worker whose term is over, and follows the
// terms. A term that it has not read a claim of is newer: a claim stands before
// its decisions, so this one is older than where the reading began.
func (s *state) owns(e *schemas.Event, at schemas.Position) bool {
	switch {
	case s.term == sealed:
		return false
	case e.Kind == schemas.Kind_KIND_SEALED:
		s.term = sealed
		return false
	case e.Kind == schemas.Kind_KIND_CLAIMED:
		s.term = at
	case e.Kind.Decided():
		term := schemas.Position(e.Term)
		s.term = max(s.term, term)
		return term == s.term
	}
	return true
}
