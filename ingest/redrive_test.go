package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// again makes one call, whose answer is one object.
func again(t testing.TB, s *Server, body string, headers ...string) answered {
	t.Helper()
	resp, text := callAt(t, s, "/v1/redrives", body, headers...)
	a := answered{code: resp.StatusCode, header: resp.Header}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	return a
}

// positions of the pushes of a user, in the log's order.
func positions(all []eventlog.Entry, user string) (at []uint64) {
	for _, e := range all {
		if e.Event.User == user {
			at = append(at, uint64(e.Position))
		}
	}
	return at
}

// What is pushed again is what was pushed, under the same trace, as a new push.
func TestRedrive(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	first := post(t, s, `{"user":"u","device":"phone","family":7,"command":2,"json":{"a":1},"ttl":60,"label":"order","collapse_key":"c","first_device_wins":true,"deliver_at":`+
		fmt.Sprint(time.Now().Add(time.Hour).Unix())+`}`, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	at := positions(w.read(eventlog.EventsTopic, 1), "u")[0]
	a := again(t, s, fmt.Sprintf(`{"user":"u","push_position":%d}`, at))
	if a.code != http.StatusAccepted || a.Status != "accepted" || a.TraceID != first.TraceID || a.Pushes[0].PushID == first.Pushes[0].PushID {
		t.Fatalf("%+v after %+v", a, first)
	}
	entries := w.read(eventlog.EventsTopic, 2)
	old, e := entries[0].Event, entries[1].Event
	p := e.Pushed
	if e.Device != "phone" || p.Family != 7 || p.Command != 2 || string(p.Body) != `{"a":1}` || p.Ttl != 60_000 || p.Label != "order" || !p.FirstDeviceWins ||
		p.CollapseKey != "" || p.DeliverAt != 0 || p.Redrives != at || p.Digest != old.Pushed.Digest || string(e.ParentSpan) != string(old.ParentSpan) {
		t.Errorf("%+v", e)
	}
	if want := "redrive:" + first.Pushes[0].PushID + ":1"; p.Name != want || schemas.IDFrom(p.PushId) != schemas.NamedID("freight", "u", want) {
		t.Errorf("it is called %q, want %q", p.Name, want)
	}
	// It died as well: the chain goes on, with another ttl.
	again(t, s, fmt.Sprintf(`{"user":"u","push_position":%d,"ttl":0.5}`, positions(entries, "u")[1]))
	p = w.read(eventlog.EventsTopic, 3)[2].Event.Pushed
	if want := "redrive:" + first.Pushes[0].PushID + ":2"; p.Name != want || p.Ttl != 500 || string(p.Body) != `{"a":1}` {
		t.Errorf("%+v, want the name %q", p, want)
	}
}

// A push that became due later is named by either of its positions.
func TestRedriveOfReleased(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	post(t, s, `{"user":"u","family":7,"json":1}`)
	at := positions(w.read(eventlog.EventsTopic, 1), "u")[0]
	released := &schemas.Event{Kind: schemas.Kind_KIND_RELEASED, App: "freight", User: "u", Released: &schemas.Released{Position: at}}
	if err := s.appender.Append(record(released), nil); err != nil {
		t.Fatal(err)
	}
	place := positions(w.read(eventlog.EventsTopic, 2), "u")[1]
	if a := again(t, s, fmt.Sprintf(`{"user":"u","push_position":%d}`, place)); a.Status != "accepted" {
		t.Errorf("%+v", a)
	}
}

// Of several, each has its own answer, in the order of the call.
func TestRedrives(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	post(t, s, `{"users":["u","v"],"family":1,"json":1}`)
	all := w.read(eventlog.EventsTopic, 2)
	u, v := positions(all, "u")[0], positions(all, "v")[0]
	resp, text := callAt(t, s, "/v1/redrives", fmt.Sprintf(
		`[{"user":"u","push_position":%d},{"user":"u","push_position":%d},{"user":"v","push_position":%d}]`, u, 1<<40, v))
	var got []answered
	if err := json.Unmarshal(text, &got); err != nil || resp.StatusCode != http.StatusMultiStatus || len(got) != 3 {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	if got[0].Pushes[0].User != "u" || got[2].Pushes[0].User != "v" || got[1].Status != "refused" || got[1].Error.Reason != "not_found" {
		t.Errorf("%s", text)
	}
}

func TestBadRedrives(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	post(t, s, `{"user":"u","family":1,"json":1}`)
	cancel(t, s, `{"user":"u","push_id":"o-1"}`)
	all := positions(w.read(eventlog.EventsTopic, 2), "u")
	many := strings.Repeat(`{"user":"u","push_position":1},`, MaxRedrives) + `{"user":"u","push_position":1}`
	for _, c := range []struct {
		body    string
		code    int
		field   string
		message string
	}{
		{``, 400, "", "a redrive, as a JSON object"},
		{`7`, 400, "", "a redrive, as a JSON object"},
		{`[]`, 400, "", "empty array"},
		{`[` + many + `]`, 400, "", "100 redrives in one call"},
		{`{"push_position":1}`, 400, "user", "user is missing"},
		{`{"user":"u"}`, 400, "push_position", "a whole number from 1"},
		{`{"user":"u","push_position":0}`, 400, "push_position", "is no position"},
		{`{"user":"u","push_position":-1}`, 400, "push_position", "is no position"},
		{`{"user":"u","push_position":1.5}`, 400, "push_position", "is no position"},
		{`{"user":"u","push_position":"1"}`, 400, "push_position", "is a string"},
		{`{"user":"u","push_position":1,"ttl":-1}`, 400, "ttl", "is negative"},
		{`{"user":"u","push_position":1,"family":1}`, 400, `"family"`, "allowed: user, push_position, ttl"},
		{`{"user":"u","push_position":1,"user":"u"}`, 400, `"user"`, "stands twice"},
		{`{"user":"u","push_position":1} x`, 400, "", "is not JSON"},
		{fmt.Sprintf(`{"user":"v","push_position":%d}`, all[0]), 404, "", "no push to this user at this position"},
		{fmt.Sprintf(`{"user":"u","push_position":%d}`, all[1]), 404, "", "no push to this user at this position"},
		{fmt.Sprintf(`{"user":"u","push_position":%d}`, all[1]+1), 404, "", "no push to this user at this position"},
		{`{"user":"u","push_position":2814749767106560}`, 404, "", "no push to this user at this position"},
	} {
		a := again(t, s, c.body)
		if a.code != c.code || a.Status != "refused" || a.Error.Field != c.field || !strings.Contains(a.Error.Message, c.message) {
			t.Errorf("%.80s: %d %+v, want %d, field %q, message with %q", c.body, a.code, a.Error, c.code, c.field, c.message)
		}
	}
	if a := again(t, s, `{"user":"u","push_position":1}`, "Authorization", ""); a.code != http.StatusUnauthorized {
		t.Errorf("without a key: %+v", a)
	}
	if a := again(t, s, fmt.Sprintf(`{"user":"u","push_position":%d}`, all[0]), "Authorization", "Bearer "+taxiKey); a.code != http.StatusNotFound {
		t.Errorf("another app's push: %+v", a)
	}
}

func TestRedriveBusy(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	post(t, s, `{"user":"u","family":1,"json":1}`)
	at := positions(w.read(eventlog.EventsTopic, 1), "u")[0]
	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
	if a := again(t, s, fmt.Sprintf(`{"user":"u","push_position":%d}`, at)); a.code != http.StatusServiceUnavailable || a.Status != "busy" || a.header.Get("Retry-After") == "" {
		t.Errorf("%+v", a)
	}
	w.faults.Clear()
}

func FuzzRedrives(f *testing.F) {
	f.Add(`{"user":"u","push_position":1,"ttl":3}`)
	f.Add(`[{"user":"u","push_position":1}]`)
	f.Fuzz(func(t *testing.T, text string) {
		all, _, bad := parseRedrives(text)
		if bad != nil {
			return
		}
		for _, x := range all {
			if len(x.asks.users) != 1 || x.at == 0 || x.asks.ttl < 0 || x.asks.ttl > MaxTTL*1000 {
				t.Errorf("%q: %+v", text, x)
			}
		}
	})
}
