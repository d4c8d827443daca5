package readmodels

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"waybill/console"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// read is a ledger of three pushes: one is delivered, one was lost on its way,
// and one has not ended.
func read() *ledger.Ledger {
	l := ledger.New()
	for n, ends := range [][]ledger.Ending{
		{{Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Attempt: 2, Dispatched: true, Sent: true}},
		{{Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_EXPIRED, Dispatched: true}},
		nil,
	} {
		at := ledger.Place{User: "anna", Position: uint64(n + 1)}
		l.Order = append(l.Order, at)
		l.Pushes[at] = &ledger.Push{Whole: ends}
	}
	l.Unended = 1
	return l
}

// said is what a console says of the same pushes.
func said() console.Funnel {
	var f console.Funnel
	f.Total.Accepted, f.Total.Dispatched, f.Total.Sent, f.Total.Delivered, f.Total.InFlight = 3, 2, 1, 1, 1
	f.Endings = []console.Ending{{Class: "delivered", Reason: "acked", Count: 1}, {Class: "lost", Reason: "expired", Count: 1}}
	return f
}

// TestFunnel: what agrees passes, and whatever else the console says does not.
func TestFunnel(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*console.Funnel)
		want  string // empty = they agree
	}{
		"all is well":      {func(*console.Funnel) {}, ""},
		"one too many":     {func(f *console.Funnel) { f.Total.Accepted++ }, "accepted: 4, want 3"},
		"a step is short":  {func(f *console.Funnel) { f.Total.Sent = 0 }, "sent: 0, want 1"},
		"another reason":   {func(f *console.Funnel) { f.Endings[1].Reason = "poison" }, "lost/expired: 0, want 1; lost/poison: 1, want none"},
		"an ending more":   {func(f *console.Funnel) { f.Endings = append(f.Endings, f.Endings[0]) }, "delivered/acked: 2, want 1"},
		"still in flight":  {func(f *console.Funnel) { f.Total.InFlight = 2 }, "in flight: 2, want 1"},
		"nothing was read": {func(f *console.Funnel) { *f = console.Funnel{} }, "accepted: 0, want 3; delivered"},
	} {
		f := said()
		c.spoil(&f)
		err := FunnelOf(read()).differs(inWords(f))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestAwait asks again for as long as the console is behind.
func TestAwait(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := said()
		switch asked++; asked {
		case 1:
			http.Error(w, "no answer yet", http.StatusServiceUnavailable)
			return
		case 2:
			f.Total.Delivered = 0
		}
		if r.URL.Path != "/v1/funnel" || r.FormValue("app") != "freight" {
			t.Errorf("asked for %s", r.URL)
		}
		if err := json.NewEncoder(w).Encode(f); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	if err := FunnelOf(read()).Await(t.Context(), s.URL, "freight"); err != nil || asked != 3 {
		t.Errorf("after %d questions: %v, want 3", asked, err)
	}
}
