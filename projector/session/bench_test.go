package session

import (
	"fmt"
	"testing"
	"time"

	"waybill/schemas"
)

// BenchmarkPushPath projects a recorded log of the push path from its beginning
// to its end: 1,000 devices, 1,000 pushes in flight, 4 partitions, four events
// for each push (pushed, sent, acked, outcome). The broker that serves it works
// in the same process; recording is not counted. One operation is one event.
func BenchmarkPushPath(b *testing.B) {
	for _, named := range []bool{false, true} {
		b.Run(fmt.Sprintf("ids=%v", named), func(b *testing.B) {
			const partitions = 4
			w := newWorld(b, partitions)
			n := recordPushes(w, max(b.N/4, 1), named)
			var ends [partitions]int64
			for i := range ends {
				_, ends[i] = w.fold(int32(i))
			}
			p := w.prepare()
			p.cfg.Flush = defaultFlush
			b.ResetTimer()
			began := time.Now()
			p.start()
			for i := range ends {
				p.until(int32(i), ends[i])
			}
			took := time.Since(began)
			b.StopTimer()
			p.end()
			b.ReportMetric(float64(n)/took.Seconds(), "events/s")
			b.ReportMetric(float64(p.stored), "flushes")
		})
	}
}

// benchDevices is also how many pushes are in flight: one for each.
const benchDevices = 1000

// recordPushes appends what n pushes leave in the log, and returns how many
// events that are. While the pushes of one round are taken in, those of the
// round before are sent, acknowledged and ended.
func recordPushes(w *world, n int, named bool) int {
	w.append(each(benchDevices, benchConnected)...)
	positions := make([]schemas.Position, benchDevices)
	rounds := (n + benchDevices - 1) / benchDevices
	for round := range rounds + 1 {
		ends := positions
		positions = make([]schemas.Position, benchDevices)
		for i := range benchDevices {
			if round < rounds {
				w.appendThen(benchPushed(round, i, named), func(at schemas.Position) { positions[i] = at })
			}
			if round > 0 {
				w.appendThen(benchEvent(i, &schemas.Event{Kind: schemas.Kind_KIND_SENT, Sent: &schemas.Sent{Position: uint64(ends[i]), Attempt: 1, Dispatched: 2}}), nil)
				w.appendThen(benchEvent(i, &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{Cursor: uint64(ends[i])}}), nil)
				w.appendThen(benchEvent(i, &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Outcome: &schemas.Outcome{
					Position: uint64(ends[i]), Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Whole: true,
				}}), nil)
			}
		}
		w.settle()
	}
	return benchDevices + 4*rounds*benchDevices
}

func each(n int, f func(int) *schemas.Event) []*schemas.Event {
	all := make([]*schemas.Event, n)
	for i := range all {
		all[i] = f(i)
	}
	return all
}

// benchEvent is about device i, on its one connection.
func benchEvent(i int, e *schemas.Event) *schemas.Event {
	e.App, e.User, e.Device = "freight", fmt.Sprintf("driver-%04d", i), "phone"
	e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(i + 1)})
	e.Time, e.Node = 1, "gate-1@host"
	return e
}

func benchConnected(i int) *schemas.Event {
	e := benchEvent(i, &schemas.Event{Kind: schemas.Kind_KIND_CONNECTED, Session: make([]byte, 16)})
	e.Connected = &schemas.Connected{Login: true, Platform: "android", ClientVersion: "1.0", Install: make([]byte, 16), Count: 1}
	return e
}

func benchPushed(round, i int, named bool) *schemas.Event {
	e := benchEvent(i, &schemas.Event{Kind: schemas.Kind_KIND_PUSHED, TraceId: make([]byte, 16)})
	e.Device, e.Gate, e.Incarnation, e.Connection = "", 0, 0, 0
	name := fmt.Sprint("order ", round)
	id := schemas.NamedID(e.App, e.User, name)
	e.Pushed = &schemas.Pushed{PushId: id[:], Family: 7, Command: 1, Body: make([]byte, 200), Ttl: 86_400_000, Label: "offer"}
	if named {
		e.Pushed.Name = name
	}
	return e
}
