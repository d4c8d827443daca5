package ingest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// cancel makes one call, whose answer is one object.
func cancel(t testing.TB, s *Server, body string, headers ...string) answered {
	t.Helper()
	resp, text := callAt(t, s, "/v1/cancels", body, headers...)
	a := answered{code: resp.StatusCode, header: resp.Header}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	return a
}

// A cancel names the same push as the push that it follows: by the caller's
// name, and by the id that the answer named.
func TestCancel(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	named := post(t, s, `{"user":"u","family":1,"json":1,"push_id":"o-1"}`)
	drawn := post(t, s, `{"user":"u","family":1,"json":1}`)
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	a := cancel(t, s, `{"user":"u","push_id":"o-1"}`, "traceparent", traceparent)
	b := cancel(t, s, fmt.Sprintf(`{"user":"u","push_id":%q}`, drawn.Pushes[0].PushID))
	if a.code != http.StatusAccepted || a.Status != "accepted" || a.Pushes[0].PushID != named.Pushes[0].PushID || a.TraceID != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("%+v, want push id %s", a, named.Pushes[0].PushID)
	}
	if b.code != http.StatusAccepted || b.Pushes[0].PushID != drawn.Pushes[0].PushID || b.TraceID == drawn.TraceID {
		t.Errorf("%+v, want push id %s", b, drawn.Pushes[0].PushID)
	}
	got := w.read(eventlog.EventsTopic, 4)
	for i, push := range got[:2] {
		e := got[2+i].Event
		if e.Kind != schemas.Kind_KIND_CANCEL_ASKED || e.App != "freight" || e.User != "u" || e.Time == 0 || e.Node != "ingest-1@test" ||
			schemas.IDFrom(e.CancelAsked.PushId) != schemas.IDFrom(push.Event.Pushed.PushId) {
			t.Errorf("cancel %d: %+v", i, e)
		}
	}
	if e := got[2].Event; e.CancelAsked.Name != "o-1" || fmt.Sprintf("%x", e.ParentSpan) != "b7ad6b7169203331" {
		t.Errorf("%+v", e)
	}
}

func TestCancels(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	resp, text := callAt(t, s, "/v1/cancels", `[{"user":"a","push_id":"o-1"},{"user":"b","push_id":"o-1"}]`)
	var all []answered
	if err := json.Unmarshal(text, &all); err != nil || resp.StatusCode != http.StatusAccepted || len(all) != 2 {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	if a, b := all[0].Pushes[0], all[1].Pushes[0]; a.PushID == b.PushID || a.User != "a" || b.User != "b" {
		t.Errorf("%+v and %+v: one name of two users is two pushes", a, b)
	}
	w.read(eventlog.EventsTopic, 2)
}

func TestBadCancels(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	const fields = "allowed: user, push_id, traceparent"
	for _, c := range []struct{ body, field, message string }{
		{``, "", "a cancel, as a JSON object"},
		{`7`, "", "a cancel, as a JSON object"},
		{`[]`, "", "empty array"},
		{`{"push_id":"o-1"}`, "user", "user is missing"},
		{`{"user":"u"}`, "push_id", "your own name for it, or the id that its answer named"},
		{`{"user":"u","push_id":""}`, "push_id", "is empty"},
		{`{"user":"","push_id":"o-1"}`, "user", "is empty"},
		{`{"users":["u"],"push_id":"o-1"}`, `"users"`, fields},
		{`{"user":"u","push_id":"o-1","family":1}`, `"family"`, fields},
		{`{"user":"u","push_id":"o-1","dry_run":true}`, `"dry_run"`, fields},
		{`{"user":"u","push_id":"o-1","colour":1}`, `"colour"`, fields},
		{`{"user":"u","push_id":"o-1","user":"v"}`, "user", "stands twice"},
		{`[{"user":"u","push_id":"o-1"},{"user":"u"}]`, "push_id", "element 1: push_id is missing"},
	} {
		a := cancel(t, s, c.body)
		if a.code != http.StatusBadRequest || a.Status != "refused" || a.Error.Field != c.field || !strings.Contains(a.Error.Message, c.message) {
			t.Errorf("%s: %d %+v, want field %q, message with %q", c.body, a.code, a.Error, c.field, c.message)
		}
	}
	if a := cancel(t, s, `{"user":"u","push_id":"o-1"}`, "Authorization", ""); a.code != http.StatusUnauthorized {
		t.Errorf("without a key: %+v", a)
	}
	post(t, s, `{"user":"u","family":1,"json":1}`)
	if got := w.read(eventlog.EventsTopic, 1); got[0].Offset != 0 {
		t.Errorf("the log holds something of a refused call: %+v", got)
	}
}

// A dry run is checked like a push and leaves nothing in the log.
func TestDryRun(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	a := post(t, s, `{"users":["u","v"],"family":1,"json":1,"push_id":"o-1","dry_run":true}`)
	if a.code != http.StatusOK || a.Status != "checked" || len(a.of("checked")) != 2 || a.Retry != 0 {
		t.Errorf("%+v", a)
	}
	if id(t, a.Pushes[1].PushID) != schemas.NamedID("freight", "v", "o-1") {
		t.Errorf("%+v: another push id than the push would have", a.Pushes[1])
	}
	if a := post(t, s, `{"user":"u","family":1,"json":1,"ttl":-1,"dry_run":true}`); a.code != http.StatusBadRequest || a.Error.Field != "ttl" {
		t.Errorf("%+v", a)
	}
	resp, text := call(t, s, `[{"user":"u","family":1,"json":1,"dry_run":true},{"user":"u","family":1,"json":2}]`)
	var both []answered
	if err := json.Unmarshal(text, &both); err != nil || resp.StatusCode != http.StatusAccepted || both[0].Status != "checked" || both[1].Status != "accepted" {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
	if got := w.read(eventlog.EventsTopic, 1); got[0].Offset != 0 || string(got[0].Event.Pushed.Body) != "2" {
		t.Errorf("the log holds something of a dry run: %+v", got[0].Event)
	}
}
