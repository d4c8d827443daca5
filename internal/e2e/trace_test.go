package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/console"
	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// visibleWithin is how soon the whole way can be looked up: a second, and one
// more under the race detector on a busy machine.
const visibleWithin = 2 * time.Second

// TestTrace: the tracking page of a push that was written into a connection
// that had died, and arrived on the next one.
func TestTrace(t *testing.T) {
	w := start(t, config(t))
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)
	p.Enter()
	id := w.push(request{User: "driver-1", Label: "order"}).id(t, 0)
	w.books.await(t, "the push to be sent into the tunnel", func(l *ledger.Ledger) bool { return l.Kinds[schemas.Kind_KIND_SENT] == 1 })
	p.Leave()
	p.awaitPushes(t, 1)
	w.awaitDelivered()
	since := time.Now()

	want := []string{"pushed", "dispatched 1", "sent 1", "disconnected", "connected (resume)", "dispatched 2", "sent 2", "acked 2", "outcome"}
	var m console.Message
	poll(t, "the whole way", func() (err error) {
		if m, err = w.message(id); err != nil {
			return err
		}
		if got := hops(m); !slices.Equal(got, want) {
			return fmt.Errorf("hops are %q, want %q", got, want)
		}
		return nil
	})
	if took := time.Since(since); took > visibleWithin {
		t.Errorf("the way could be looked up %v after its end, want %v at most", took, visibleWithin)
	}
	checkWay(t, m)
	for path, accept := range map[string]string{"/v1/traces/": "text/plain", "/traces/": "text/html"} {
		status, b, err := w.get(path+id.String(), accept)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%s answers %d: %s (%v)", path, status, b, err)
		}
		text := string(b)
		for _, word := range []string{m.Verdict, "pushed", "dispatched", "sent", "disconnected", "connected", "resume", "acked", "outcome", "attempt", "gate-1@test", "delivery-1@test"} {
			if !strings.Contains(text, word) {
				t.Errorf("the %s page does not say %q:\n%s", accept, word, text)
			}
		}
	}
}

// message of a trace that has one.
func (w *world) message(id schemas.ID) (m console.Message, err error) {
	var trace console.Trace
	if err := w.getJSON("/v1/traces/"+id.String(), &trace); err != nil {
		return m, err
	}
	if len(trace.Messages) != 1 {
		return m, fmt.Errorf("the trace has %d messages (%s)", len(trace.Messages), trace.Verdict)
	}
	return trace.Messages[0], nil
}

// hops of a message by kind and attempt; outcomes close what has its own.
func hops(m console.Message) (all []string) {
	for _, h := range m.Hops {
		s := h.Kind
		if h.Attempt > 0 && h.Kind != "outcome" {
			s += fmt.Sprintf(" %d", h.Attempt)
		}
		all = append(all, s)
	}
	return all
}

// checkWay: every hop says where and when, and the verdict says how it ended.
func checkWay(t *testing.T, m console.Message) {
	t.Helper()
	if m.State != "delivered" || !strings.Contains(m.Verdict, "2 attempts") {
		t.Errorf("the verdict is %s: %q", m.State, m.Verdict)
	}
	for n, h := range m.Hops {
		if h.At.IsZero() || h.Node == "" || n > 0 && h.Device != "phone" {
			t.Errorf("hop %s does not say when, where or for whom: %+v", h.Kind, h)
		}
		if n > 0 && h.At.Before(m.Hops[n-1].At.Add(-time.Millisecond)) {
			t.Errorf("hop %s is earlier than the one before", h.Kind)
		}
	}
}
