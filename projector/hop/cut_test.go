package hop

import (
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// TestACutEndsWhereItIsTold, also within a batch; its serials are as of there,
// those of its beginning stay.
func TestACutEndsWhereItIsTold(t *testing.T) {
	const origin = 7
	b := eventlog.Batch{Next: 15, Time: 6_000} // record 14 was left out
	for i := range int64(4) {
		b.Entries = append(b.Entries, eventlog.Entry{Position: schemas.At(0, 10+i), Offset: 10 + i, Time: 1_000 * (i + 1),
			Event: &schemas.Event{Kind: schemas.Kind_KIND_RELEASED, Origin: origin, Serial: uint64(21 + i)}})
	}
	b.Marks = []eventlog.OriginMark{{Origin: origin, Mark: eventlog.Mark{Serial: 24, Time: 4_000}}}
	for _, test := range []struct {
		name        string
		until, next int64
		hops        int
		serial      uint64
		at          int64
	}{
		{"nowhere", 0, 15, 4, 24, 6_000},
		{"behind the batch", 20, 15, 4, 24, 6_000},
		{"with the batch", 15, 15, 4, 24, 6_000},
		{"before a record that was left out", 14, 14, 4, 24, 4_000},
		{"within the batch", 12, 12, 2, 22, 2_000},
		{"before the batch", 10, 10, 0, 20, 500},
	} {
		t.Run(test.name, func(t *testing.T) {
			was := state{serials: new(eventlog.Serials)}
			was.serials.Fresh(origin, 20, 500)
			var c cut
			c.begin("waybill.events", 1, 10, was)
			c.take(b, test.until)
			if c.first != 10 || c.next != test.next || c.rows.len() != test.hops {
				t.Errorf("from %d to %d, %d hops; want from 10 to %d, %d", c.first, c.next, c.rows.len(), test.next, test.hops)
			}
			checkSerial(t, c.was, 20, 500)
			checkSerial(t, c.is, test.serial, test.at)
		})
	}
}

func checkSerial(t *testing.T, s state, serial uint64, at int64) {
	t.Helper()
	s.serials.Each(func(_ uint64, m eventlog.Mark) {
		if m.Serial != serial || s.serials.Time() != at {
			t.Errorf("serial %d at %d, want %d at %d", m.Serial, s.serials.Time(), serial, at)
		}
	})
}
