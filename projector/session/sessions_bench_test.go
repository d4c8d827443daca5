package session

import (
	"fmt"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// BenchmarkSessions brings the log of b.N logins, of as many users, into
// Postgres: first into empty tables, then, beside these, by a whole rebuild with
// its comparison and its swap. One operation is one session.
//
//	go test ./projector/session -run '^$' -bench Sessions -benchtime 1000000x
func BenchmarkSessions(b *testing.B) {
	const partitions = 4
	w := newWorld(b, partitions)
	recordLogins(w, b.N)
	var ends [partitions]int64
	for i := range ends {
		ends[i] = w.read(int32(i), func(eventlog.Entry) {})
	}
	p := w.prepare()
	p.cfg.Flush = defaultFlush
	b.ResetTimer()
	began := time.Now()
	p.start()
	for i := range ends {
		p.until(int32(i), ends[i])
	}
	b.ReportMetric(time.Since(began).Seconds(), "s/project")
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "sessions/s")
	r, _ := w.rebuild(false)
	began = time.Now()
	if _, err := r.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(began).Seconds(), "s/rebuild")
}

// recordLogins appends the logins of n users.
func recordLogins(w *world, n int) {
	for i := range n {
		session, install := schemas.NewID(time.Now()), schemas.NewID(time.Now())
		e := &schemas.Event{
			Kind: schemas.Kind_KIND_CONNECTED, App: "freight", User: fmt.Sprintf("driver-%07d", i), Device: "phone",
			Session: session[:], Time: time.Now().UnixMicro(), Node: "gate-1@host",
			Connected: &schemas.Connected{Login: true, Platform: "android", ClientVersion: "1.0", Install: install[:], Count: 1, SessionTime: 1},
		}
		e.SetConn(schemas.ConnID{Gate: 1, Incarnation: 1, Number: uint64(i + 1)})
		w.appendThen(e, nil)
		if i%50_000 == 0 {
			w.settle()
		}
	}
	w.settle()
}
