package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// second is one second of an open loop.
type second struct {
	from      time.Time
	bound     time.Duration // of what is soon
	delivered int           // outcomes that the log got in it
	owed      int           // pushes from before, in the log, that had waited for longer when it began

	// Of the calls that were to be made in it.
	due, taken, refused int
	soon                int           // delivered and acknowledged within the bound
	slowest             time.Duration // from when it was to be made to its outcome
}

// seconds that followed the return.
func (l *load) seconds(a absence, n int) []second {
	l.w.t.Helper()
	all := make([]second, n)
	delivered := l.w.deliveries()
	for i := range all {
		all[i] = second{from: a.back.Add(time.Duration(i) * time.Second), bound: a.soon}
		for _, c := range l.calls() {
			all[i].count(c, delivered[c.name()])
		}
	}
	return all
}

// count a call, whose push was delivered then, or never.
func (s *second) count(c answered, delivered time.Time) {
	if s.has(delivered) {
		s.delivered++
	}
	if c.due.Before(s.from.Add(-s.bound)) && delivered.After(s.from) {
		s.owed++
	}
	if !s.has(c.due) {
		return
	}
	s.due++
	switch c.status {
	case taken:
		s.taken++
	case refusal:
		s.refused++
	}
	if took := delivered.Sub(c.due); !delivered.IsZero() {
		s.slowest = max(s.slowest, took)
		if took <= s.bound {
			s.soon++
		}
	}
}

func (s *second) has(t time.Time) bool {
	return !t.Before(s.from) && t.Before(s.from.Add(time.Second))
}

// check that the second carried the whole load, and nothing of the time before.
func (s *second) check(t *testing.T, rate int) {
	t.Helper()
	if s.due < rate-1 || s.taken != s.due || s.soon != s.due || s.owed > 0 {
		t.Errorf("in the second from %v on, of %d calls %d were taken and %d delivered and acknowledged within %v; %d older pushes were not: want all of %d, and none",
			s.from.Format(time.TimeOnly), s.due, s.taken, s.soon, s.bound, s.owed, rate)
	}
}

// table of seconds that follow each other.
func table(all []second) string {
	var b strings.Builder
	b.WriteString("second    due  taken  refused  in time   slowest   outcomes   owed")
	for i, s := range all {
		fmt.Fprintf(&b, "\n%6d %6d %6d %8d %8d %9v %10d %6d", i, s.due, s.taken, s.refused, s.soon, s.slowest.Round(time.Millisecond), s.delivered, s.owed)
	}
	return b.String()
}

// deliveries are when the push of each name was delivered and acknowledged, by
// the broker's clock, which is that of the test.
func (w *world) deliveries() map[string]time.Time {
	w.t.Helper()
	names, at := make(map[ledger.Place]string), make(map[string]time.Time)
	ctx, cancel := bounded(w.t)
	defer cancel()
	err := ledger.Visit(ctx, w.log, eventlog.EventsTopic, func(_ int32, r *eventlog.Entry) {
		switch e := r.Event; e.Kind {
		case schemas.Kind_KIND_PUSHED:
			names[ledger.Place{User: strings.Clone(e.User), Position: uint64(r.Position)}] = strings.Clone(e.Pushed.Name)
		case schemas.Kind_KIND_OUTCOME:
			name := names[ledger.Place{User: e.User, Position: e.Outcome.Position}]
			if e.Outcome.Class == schemas.Class_CLASS_DELIVERED && at[name].IsZero() {
				at[name] = time.UnixMicro(r.Time)
			}
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}
