package e2e

import (
	"fmt"
	"testing"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// TestIntake: pushes that the app-server produces itself arrive once and in
// order, across a stop of ingest, and a bad one among them is said.
func TestIntake(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)
	const half = 20
	w.produce(p.user, 0, half)
	p.awaitPushes(t, half)
	if err := w.Stop(app.DevIngest); err != nil {
		t.Error(err)
	}
	w.produce(p.user, half, 2*half)
	w.restart(app.DevIngest)
	for n, got := range p.awaitPushes(t, 2*half) {
		if string(got.Body) != fmt.Sprint(n) {
			t.Fatalf("push %d is %s", n, got.Body)
		}
	}
	w.awaitAllDelivered(p.user)
	w.books.Look(func(l *ledger.Ledger) {
		if l.Kinds[schemas.Kind_KIND_REFUSED] != 2 || len(l.Order) != 2*half {
			t.Errorf("the log has %d refused and %d pushed, want 2 and %d", l.Kinds[schemas.Kind_KIND_REFUSED], len(l.Order), 2*half)
		}
	})
}

// produce pushes the numbers to the user by the app's intake topic, after a
// record that is none.
func (w *world) produce(user string, from, to int) {
	w.t.Helper()
	ctx, cancel := bounded(w.t)
	defer cancel()
	a, err := w.log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Close()
	values := []string{"no push at all"}
	for n := from; n < to; n++ {
		values = append(values, fmt.Sprintf(`{"user":%q,"family":7,"json":%d}`, user, n))
	}
	for _, v := range values {
		_, err := a.AppendWait(ctx, eventlog.Record{
			Topic: eventlog.IntakeTopic(w.App.Name), Partition: 1, Value: []byte(v), Stamp: eventlog.NoStamp,
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}
