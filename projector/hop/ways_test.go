package hop

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"waybill/schemas"
)

// wayEvents is the usual way of a push, each event a record of its own.
func wayEvents() []*schemas.Event {
	plain := func(e *schemas.Event) { e.Device, e.Session = "", nil; e.SetConn(schemas.ConnID{}) }
	return []*schemas.Event{
		event(schemas.Kind_KIND_PUSHED, func(e *schemas.Event) {
			plain(e)
			e.Time, e.Node = 1e6, "ingest-1@h"
			e.Pushed = &schemas.Pushed{PushId: testPush[:], Body: []byte("hello")}
		}),
		event(schemas.Kind_KIND_SENT, func(e *schemas.Event) {
			e.Time = 3e6
			e.Sent = &schemas.Sent{Position: 900, PushId: testPush[:], Attempt: 1, Dispatched: 2e6, DispatchedBy: "delivery-1@h"}
		}),
		event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) {
			e.Time, e.Node = 5e6, "delivery-1@h"
			e.Outcome = &schemas.Outcome{Position: 900, PushId: testPush[:], Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Attempt: 1, Whole: true,
				Steps: &schemas.Steps{Accepted: 1e6, Dispatched: 2e6, Sent: 3e6, Delivered: 4e6}}
		}),
	}
}

func rowsOf(events []*schemas.Event) (r rows) {
	for i, e := range events {
		at := testPlace
		at.position += schemas.Position(i)
		r.add(e, at)
	}
	return r
}

// TestTheUsualWayIsOneRow: what the row says must be what the hops' own rows
// would have said; where one event says otherwise, its hops keep theirs.
func TestTheUsualWayIsOneRow(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(pushed, sent, outcome *schemas.Event)
		left   int // hops with a row of their own
		tells  uint8
	}{
		{"usual", func(_, _, _ *schemas.Event) {}, 0, 31},
		{"for one device", func(pushed, _, _ *schemas.Event) { pushed.Device = "d1" }, 0, 63},
		{"for another device", func(pushed, _, _ *schemas.Event) { pushed.Device = "d2" }, 1, 30 | tellsAimed},
		{"sent on another connection", func(_, sent, _ *schemas.Event) { sent.Connection++ }, 2, 25},
		{"sent in another attempt", func(_, sent, _ *schemas.Event) { sent.Sent.Attempt = 2 }, 2, 25},
		{"sent at another time", func(_, sent, _ *schemas.Event) { sent.Time++ }, 1, 27},
		{"lost", func(_, _, outcome *schemas.Event) {
			outcome.Device, outcome.Outcome.Whole, outcome.Outcome.Class = "", false, schemas.Class_CLASS_LOST
		}, 2, 17},
		{"accepted by another clock", func(pushed, _, _ *schemas.Event) { pushed.Time++ }, 1, 30},
		{"without a span", func(pushed, _, _ *schemas.Event) { pushed.ParentSpan = nil }, 1, 30},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := wayEvents()
			test.change(events[0], events[1], events[2])
			got := rowsOf(events)
			hops := make([]hopRow, 0, wayHops)
			single := rows{}
			for i, e := range events { // each in a cut of its own: nothing is joined
				at := testPlace
				at.position += schemas.Position(i)
				one := rows{}
				one.add(e, at)
				hops = append(hops, unfolded(one).hops...)
			}
			single.hops = hops
			diff := gocmp.Diff(unfolded(single).hops, unfolded(got).hops, gocmp.AllowUnexported(hopRow{}, place{}))
			if diff != "" {
				t.Errorf("hops (-each alone +together):\n%s", diff)
			}
			got.settle()
			if len(got.hops) != test.left || got.pushes[0].tells != test.tells {
				t.Errorf("%d hops are left, tells %d; want %d, %d", len(got.hops), got.pushes[0].tells, test.left, test.tells)
			}
		})
	}
}
