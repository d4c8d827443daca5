package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// optioned is a push request with the options that few callers use.
type optioned struct {
	request
	CollapseKey     string `json:"collapse_key,omitempty"`
	DeliverAt       any    `json:"deliver_at,omitempty"`
	FirstDeviceWins bool   `json:"first_device_wins,omitempty"`
	DryRun          bool   `json:"dry_run,omitempty"`
}

// pushTo pushes text to the user and gives the push id; the call must be
// answered with code.
func (w *world) pushTo(user, text string, o optioned, code int) schemas.ID {
	w.t.Helper()
	o.User, o.Family, o.JSON = user, 7, text
	return w.callFor("/v1/pushes", o, code)
}

// cancel takes back the push with that id or name.
func (w *world) cancel(user, id string) schemas.ID {
	w.t.Helper()
	return w.callFor("/v1/cancels", map[string]string{"user": user, "push_id": id}, http.StatusAccepted)
}

func (w *world) callFor(path string, body any, code int) schemas.ID {
	w.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, text, err := call(w.t.Context(), http.MethodPost, w.url(app.DevIngest)+path, w.pushHeader(), b)
	if err != nil {
		w.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(text, &a); err != nil || resp.StatusCode != code {
		w.t.Fatalf("%s %s: %s: %s", path, b, resp.Status, text)
	}
	return a.id(w.t, 0)
}

// awaitEnd waits until the push has ended as a whole, by that reason.
func (w *world) awaitEnd(id schemas.ID, reason schemas.Reason) {
	w.t.Helper()
	w.books.await(w.t, "a push to end as "+reason.Word(), func(l *ledger.Ledger) bool {
		_, x := l.ByID(id)
		return x != nil && len(x.Whole) == 1 && x.Whole[0].Reason == reason
	})
}

// switchOff ends the phone, and waits until the log has it. Phones of other
// cases come and go meanwhile.
func (w *world) switchOff(p *phone) {
	w.t.Helper()
	if err := p.stop(); err != nil {
		w.t.Error(err)
	}
	poll(w.t, p.name()+" to be away", func() error {
		var newest schemas.Kind
		err := ledger.Visit(w.t.Context(), w.log, eventlog.EventsTopic, func(_ int32, r *eventlog.Entry) {
			e := r.Event
			if e.User == p.user && e.Device == p.device && (e.Kind == schemas.Kind_KIND_CONNECTED || e.Kind == schemas.Kind_KIND_DISCONNECTED) {
				newest = e.Kind
			}
		})
		if err == nil && newest != schemas.Kind_KIND_DISCONNECTED {
			err = fmt.Errorf("its newest is %s", newest.Word())
		}
		return err
	})
}

// expectTexts waits for the pushes of the phone, in that order.
func (p *phone) expectTexts(t testing.TB, texts ...string) {
	t.Helper()
	var got []string
	for _, push := range p.awaitPushes(t, len(texts)) {
		var text string
		if err := json.Unmarshal(push.Body, &text); err != nil {
			t.Fatal(err)
		}
		got = append(got, text)
	}
	if !slices.Equal(got, texts) {
		t.Errorf("%s got %q, want %q", p.name(), got, texts)
	}
}

// TestOptions: what an app-server asks for besides the delivery itself.
func TestOptions(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	for name, check := range map[string]func(*testing.T, *world){
		"collapsed while away":             collapsedWhileAway,
		"delivered at its time":            deliveredAtItsTime,
		"canceled while waiting":           canceledWhileWaiting,
		"canceled before it was seen":      canceledBeforeSeen,
		"canceled too late":                canceledTooLate,
		"first device wins":                firstDeviceWins,
		"first device wins, both are here": firstDeviceWinsOfTwo,
		"a dry run leaves nothing behind":  dryRun,
	} {
		t.Run(name, func(t *testing.T) {
			sub := *w
			sub.t = t
			check(t, &sub)
		})
	}
}

func collapsedWhileAway(t *testing.T, w *world) {
	p := w.phone("collapsed", "phone")
	w.awaitConnected(p)
	w.switchOff(p)
	price := optioned{CollapseKey: "price"}
	old := w.pushTo(p.user, "price 1", price, http.StatusAccepted)
	w.pushTo(p.user, "order", optioned{}, http.StatusAccepted)
	w.pushTo(p.user, "price 2", price, http.StatusAccepted)
	w.awaitEnd(old, schemas.Reason_REASON_COLLAPSED)
	w.phone(p.user, p.device).expectTexts(t, "order", "price 2")
}

func deliveredAtItsTime(t *testing.T, w *world) {
	p := w.phone("later", "phone")
	w.awaitConnected(p)
	// Both forms of the same time; the first in the log is due first.
	due := time.Now().Add(1500 * time.Millisecond).Truncate(time.Millisecond)
	// Its ttl would be over by then, did it not count from there.
	w.pushTo(p.user, "at its time", optioned{request: request{TTL: seconds(1)}, DeliverAt: due.Format(time.RFC3339Nano)}, http.StatusAccepted)
	w.pushTo(p.user, "too", optioned{DeliverAt: float64(due.UnixMilli()) / 1000}, http.StatusAccepted)
	w.pushTo(p.user, "at once", optioned{DeliverAt: 1.5e9}, http.StatusAccepted)
	p.expectTexts(t, "at once")
	p.expectTexts(t, "at once", "at its time", "too")
	if early := time.Until(due); early > 0 {
		t.Errorf("the push came %v early", early)
	}
	// Of those for later, the outcome is at the position of released.
	w.books.await(t, "three deliveries", func(l *ledger.Ledger) bool {
		n := 0
		for at, x := range l.Pushes {
			if at.User == p.user && ledger.Delivered(x.Whole) {
				n++
			}
		}
		return n == 3 && l.Kinds[schemas.Kind_KIND_RELEASED] == 2
	})
}

func canceledWhileWaiting(t *testing.T, w *world) {
	p := w.phone("waiting", "phone")
	w.awaitConnected(p)
	later := w.pushTo(p.user, "later", optioned{DeliverAt: time.Now().Add(time.Hour)}, http.StatusAccepted)
	if id := w.cancel(p.user, later.String()); id != later {
		t.Errorf("canceled %v, want %v", id, later)
	}
	w.awaitEnd(later, schemas.Reason_REASON_CANCELED)
	w.switchOff(p)
	away := w.pushTo(p.user, "away", optioned{request: request{PushID: "o-1"}}, http.StatusAccepted)
	w.cancel(p.user, "o-1")
	w.awaitEnd(away, schemas.Reason_REASON_CANCELED)
	w.pushTo(p.user, "kept", optioned{}, http.StatusAccepted)
	w.phone(p.user, p.device).expectTexts(t, "kept")
}

func canceledBeforeSeen(t *testing.T, w *world) {
	p := w.phone("unseen", "phone")
	w.awaitConnected(p)
	named := optioned{request: request{PushID: "o-1"}}
	id := w.cancel(p.user, "o-1")
	if w.pushTo(p.user, "canceled", named, http.StatusAccepted) != id {
		t.Errorf("the push has another id than its cancel")
	}
	w.awaitEnd(id, schemas.Reason_REASON_CANCELED)
	w.pushTo(p.user, "canceled", named, http.StatusAccepted)       // a duplicate
	w.pushTo(p.user, "something else", named, http.StatusAccepted) // the id was used
	w.pushTo(p.user, "kept", optioned{}, http.StatusAccepted)
	p.expectTexts(t, "kept")
	w.books.await(t, "the repetitions to end", func(l *ledger.Ledger) bool {
		var ends []schemas.Reason
		for _, at := range l.Places() {
			if x := l.Pushes[at]; x.ID == id && len(x.Whole) == 1 {
				ends = append(ends, x.Whole[0].Reason)
			}
		}
		return slices.Equal(ends, []schemas.Reason{schemas.Reason_REASON_CANCELED, schemas.Reason_REASON_DUPLICATE, schemas.Reason_REASON_ID_REUSED})
	})
}

func canceledTooLate(t *testing.T, w *world) {
	p := w.phone("late", "phone")
	w.awaitConnected(p)
	id := w.pushTo(p.user, "delivered", optioned{}, http.StatusAccepted)
	p.expectTexts(t, "delivered")
	w.cancel(p.user, id.String())
	w.awaitEnd(id, schemas.Reason_REASON_ACKED)
}

// firstDeviceWins: the phone is here, the tablet lies in a drawer.
func firstDeviceWins(t *testing.T, w *world) {
	tablet := w.phone("two devices", "tablet")
	w.awaitConnected(tablet)
	w.switchOff(tablet)
	p := w.phone(tablet.user, "phone")
	w.awaitConnected(p)
	id := w.pushTo(p.user, "for the first", optioned{FirstDeviceWins: true}, http.StatusAccepted)
	w.pushTo(p.user, "for both", optioned{}, http.StatusAccepted)
	p.expectTexts(t, "for the first", "for both")
	w.books.await(t, "the tablet to be spared", func(l *ledger.Ledger) bool {
		_, x := l.ByID(id)
		if x == nil {
			return false
		}
		ends := x.Devices[tablet.device]
		return len(ends) == 1 && ends[0].Reason == schemas.Reason_REASON_DELIVERED_ELSEWHERE && ledger.Delivered(x.Whole)
	})
	w.phone(tablet.user, tablet.device).expectTexts(t, "for both")
}

// firstDeviceWinsOfTwo: where both are connected, both have been sent it.
func firstDeviceWinsOfTwo(t *testing.T, w *world) {
	phone, tablet := w.phone("both here", "phone"), w.phone("both here", "tablet")
	w.awaitConnected(phone, tablet)
	id := w.pushTo(phone.user, "for the first", optioned{FirstDeviceWins: true}, http.StatusAccepted)
	phone.expectTexts(t, "for the first")
	tablet.expectTexts(t, "for the first")
	w.books.await(t, "two deliveries", func(l *ledger.Ledger) bool {
		_, x := l.ByID(id)
		return x != nil && ledger.Delivered(x.Devices["phone"]) && ledger.Delivered(x.Devices["tablet"]) && len(x.Whole) == 1
	})
}

func dryRun(t *testing.T, w *world) {
	p := w.phone("dry", "phone")
	w.awaitConnected(p)
	id := w.pushTo(p.user, "dry", optioned{DryRun: true}, http.StatusOK)
	wet := w.pushTo(p.user, "wet", optioned{}, http.StatusAccepted)
	p.expectTexts(t, "wet")
	w.awaitEnd(wet, schemas.Reason_REASON_ACKED)
	w.books.Look(func(l *ledger.Ledger) {
		if _, x := l.ByID(id); x != nil {
			t.Error("the log has a push of a dry run")
		}
	})
}
