package hop

import (
	"testing"

	"waybill/schemas"
)

// BenchmarkRows is the events of one push: no hop may cost an allocation but
// the name of a gate.
func BenchmarkRows(b *testing.B) {
	events := []*schemas.Event{
		event(schemas.Kind_KIND_PUSHED, func(e *schemas.Event) { e.Pushed = &schemas.Pushed{PushId: testPush[:]} }),
		event(schemas.Kind_KIND_SENT, func(e *schemas.Event) { e.Sent = &schemas.Sent{Position: 1, PushId: testPush[:]} }),
		event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) {
			e.Outcome = &schemas.Outcome{Position: 1, Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Whole: true, Steps: &schemas.Steps{Accepted: 1}}
		}),
	}
	var r rows
	b.ReportAllocs()
	for b.Loop() {
		if r.len() > 100_000 {
			r.reset()
		}
		for _, e := range events {
			r.add(e, testPlace)
		}
	}
}
