package e2e

import (
	"fmt"
	"testing"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/schemas"
)

// TestFightReports: two phones that take each other's place wear out, and the
// user's pushes arrive meanwhile.
func TestFightReports(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	t.Run("two phones kicking each other for ever: their user may have one", w.on(twoPhones))
	t.Run("two phones kicking each other for ever: they have one device id", w.on(clones))
}

// fought is how many times they do it: three are free, then they wait for 2 s
// and for 4 s.
const fought = 5

// Each phone logs in by itself as soon as it was kicked.
func twoPhones(w *world) {
	w.setPolicy(&schemas.AppPolicy{Devices: schemas.DevicePolicy_DEVICE_POLICY_ONE_PER_USER})
	defer w.setPolicy(&schemas.AppPolicy{Devices: schemas.DevicePolicy_DEVICE_POLICY_MANY})
	fighters := [2]*phone{w.phone("fighter", "one"), nil}
	w.awaitConnected(fighters[0])
	for n := range fought {
		fighters[(n+1)%2] = w.phone("fighter", []string{"one", "two"}[(n+1)%2])
		fighters[n%2].awaitKick(w.t)
	}
	w.pushesTo("to who is left", fighters[fought%2])
	w.awaitAllDelivered("fighter")

	var last int64
	kicks := uint16(0)
	for _, e := range w.eventsOf("fighter") {
		switch e.Kind {
		case schemas.Kind_KIND_CONNECTED:
			last = e.time
		case schemas.Kind_KIND_KICKED:
			kicks++
			w.apart(fmt.Sprintf("the newer phone's login and kick %d", kicks), e.time-last, kicks)
		}
	}
	if kicks != fought {
		w.t.Errorf("the log has %d kicks, want %d", kicks, fought)
	}
}

// Both phones take the other's closing for an accident, and come back.
func clones(w *world) {
	one, two := w.phone("cloned", "phone"), w.phone("cloned", "phone")
	w.push(request{User: "cloned", JSON: "to either"})
	w.books.await(w.t, "the push to arrive", func(*ledger.Ledger) bool { return len(one.got())+len(two.got()) > 0 })
	poll(w.t, "two of them to be told to stay away, and to come back", func() error {
		if n := len(w.returns("cloned")); n < 2 {
			return fmt.Errorf("%d have", n)
		}
		return nil
	})
	for n, took := range w.returns("cloned") {
		w.apart(fmt.Sprintf("the close of the loser and its return, time %d", n+1), took, freeTurns+1+uint16(n))
	}
}

// freeTurns is how many turns cost nothing.
const freeTurns = 3

// returns of those that were closed as flapping: after how many microseconds
// somebody connected.
func (w *world) returns(user string) (took []int64) {
	var closed int64
	for _, e := range w.eventsOf(user) {
		switch {
		case e.why == schemas.Reason_REASON_FLAPPING:
			closed = e.time
		case e.Kind == schemas.Kind_KIND_CONNECTED && closed > 0:
			took, closed = append(took, e.time-closed), 0
		}
	}
	return took
}

// apart checks that so many microseconds are what the nth time has to wait.
func (w *world) apart(what string, took int64, n uint16) {
	w.t.Helper()
	const grain = 10_000 // the broker's time has milliseconds, and the loser counts from its close
	if want := mailbox.Damping(n); took < want-grain {
		w.t.Errorf("between %s there are %v, want %v at least", what, time.Duration(took)*time.Microsecond, time.Duration(want)*time.Microsecond)
	}
}

// happened is one event of a user, and the broker's time of it.
type happened struct {
	Kind schemas.Kind
	time int64
	why  schemas.Reason // of disconnected
}

// eventsOf the user, in the log's order.
func (w *world) eventsOf(user string) (all []happened) {
	w.t.Helper()
	err := ledger.Visit(w.t.Context(), w.log, eventlog.EventsTopic, func(_ int32, r *eventlog.Entry) {
		if r.Event.User == user {
			all = append(all, happened{r.Event.Kind, r.Time, r.Event.Disconnected.GetReason()})
		}
	})
	if err != nil {
		w.t.Error(err)
	}
	return all
}
