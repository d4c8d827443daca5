package hop

import (
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// A push that began in the epoch before keeps topic and partition, by which its
// two rows are one; a newer one, and one of an epoch that is gone, stand where
// their end stands.
func TestHomeOfAPush(t *testing.T) {
	key := schemas.Key("freight", "u1")
	former := eventlog.PartitionsOf(4)
	at := place{topic: eventlog.EventsOf(2), partition: 7, position: schemas.At(2, 50)}
	for _, c := range []struct {
		name      string
		began     schemas.Position
		topic     string
		partition int32
	}{
		{"in the epoch before", schemas.At(1, 9), eventlog.EventsOf(1), former(key)},
		{"in this one", schemas.At(2, 9), at.topic, at.partition},
		{"in one that is gone", schemas.At(0, 9), at.topic, at.partition},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rows{formers: []func([]byte) int32{nil, former}}
			r.add(event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) {
				e.Outcome = &schemas.Outcome{Position: uint64(c.began), Class: schemas.Class_CLASS_DELIVERED, Whole: true}
			}), at)
			r.settle()
			if p := r.pushes[0].place; p.topic != c.topic || p.partition != c.partition || p.position != at.position {
				t.Errorf("the row is of %s/%d, end at %v; want %s/%d and %v", p.topic, p.partition, p.position, c.topic, c.partition, at.position)
			}
			for _, h := range r.hops {
				if h.kind != "" && h.place != at {
					t.Errorf("the hop %s stands at %+v, want %+v", h.kind, h.place, at)
				}
			}
		})
	}
}
