package crash

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// saying is one push of anna's, said once: a line of a call.
type saying struct {
	call, line     int
	made, answered int64 // seconds
	status         string
	position       uint64
}

// TestOrder plants records whose order is not the caller's.
func TestOrder(t *testing.T) {
	const ok, none = statusAccepted, ""
	for name, c := range map[string]struct {
		said []saying
		want []string
	}{
		"lines in order":          {[]saying{{1, 0, 1, 2, ok, 5}, {1, 1, 1, 2, ok, 6}, {1, 2, 1, 3, ok, 9}}, nil},
		"lines out of order":      {[]saying{{1, 0, 1, 2, ok, 6}, {1, 1, 1, 2, ok, 5}}, []string{"lines out of order"}},
		"a line without answer":   {[]saying{{1, 0, 1, 0, none, 6}, {1, 1, 1, 2, ok, 5}}, nil},
		"over such a line":        {[]saying{{1, 0, 1, 2, ok, 6}, {1, 1, 1, 0, none, 7}, {1, 2, 1, 2, ok, 5}}, []string{"lines out of order"}},
		"calls in order":          {[]saying{{1, 0, 1, 2, ok, 5}, {2, 0, 3, 4, ok, 6}}, nil},
		"calls out of order":      {[]saying{{1, 0, 1, 2, ok, 6}, {2, 0, 3, 4, ok, 5}}, []string{"calls out of order"}},
		"calls at the same time":  {[]saying{{1, 0, 1, 3, ok, 6}, {2, 0, 2, 4, ok, 5}}, nil},
		"the first had no answer": {[]saying{{1, 0, 1, 0, none, 6}, {2, 0, 3, 4, ok, 5}}, nil},
		"the next had none":       {[]saying{{1, 0, 1, 2, ok, 6}, {2, 0, 3, 0, none, 5}}, []string{"calls out of order"}},
		"one long ago":            {[]saying{{1, 0, 1, 2, ok, 9}, {2, 0, 1, 3, ok, 4}, {3, 0, 5, 6, ok, 5}}, []string{"calls out of order"}},
	} {
		a := &audit{ledger: ledger.New()}
		for n, s := range c.said {
			trace := schemas.ID{byte(n + 1)}
			at := ledger.Place{User: "anna", Position: s.position}
			a.ledger.Order = append(a.ledger.Order, at)
			a.ledger.Pushes[at] = &ledger.Push{Trace: trace}
			a.pushes = append(a.pushes, push{request: request{User: "anna"}, tries: []try{{
				call: s.call, line: s.line, made: time.Unix(s.made, 0), answered: time.Unix(s.answered, 0), status: s.status, trace: trace,
			}}})
		}
		a.order()
		var got []string
		for _, v := range a.found {
			got = append(got, v.what)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: found (-want +got):\n%s", name, d)
		}
	}
}
