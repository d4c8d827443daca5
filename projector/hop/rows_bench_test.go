package hop

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"waybill/schemas"
)

// BenchmarkRows is the usual way of a push, from its events to the blocks that
// are sent: ns/op is what one push costs, reading and sending apart. No hop may
// cost an allocation.
func BenchmarkRows(b *testing.B) {
	const users, flushed = 1_000, 20_000
	var events [][]*schemas.Event
	for user := range users {
		way := wayEvents()
		for _, e := range way {
			e.User, e.Device = fmt.Sprint("user-", user), ""
			if e.Kind != schemas.Kind_KIND_PUSHED {
				e.Device = fmt.Sprint("device-", user)
			}
		}
		events = append(events, way)
	}
	w := newWriter(target{})
	var r rows
	b.ReportAllocs()
	n, began := 0, cpu()
	for b.Loop() {
		at := testPlace
		for i, e := range events[n%users] {
			at.position = schemas.Position(3*n + i + 1)
			switch e.Kind {
			case schemas.Kind_KIND_SENT:
				e.Sent.Position = uint64(3*n + 1)
			case schemas.Kind_KIND_OUTCOME:
				e.Outcome.Position = uint64(3*n + 1)
			}
			r.add(e, at)
		}
		if n++; n%flushed == 0 {
			encodeAll(w, &r)
		}
	}
	b.ReportMetric(float64(cpu()-began)/float64(n), "cpu-ns/op")
	b.ReportMetric(float64(len(w.buf.Buf))/flushed, "B/push")
}

func encodeAll(w *writer, r *rows) {
	r.settle()
	var f flush
	f.add(r)
	w.buf.Reset()
	w.hops.encode(&w.buf, f.hops)
	w.pushes.encode(&w.buf, f.pushes)
	r.reset()
}

// cpu is what this process has used: the machine may do other things as well.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
