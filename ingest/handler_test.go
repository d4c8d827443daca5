package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestPush(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	a := post(t, s, `{"user":"driver-1","device":"phone","family":7,"command":258,"json":{"order":1},"ttl":60,"label":"order","push_id":"o-1"}`)
	if a.code != http.StatusAccepted || a.Status != "accepted" || len(a.Pushes) != 1 || a.Pushes[0].Status != "accepted" || a.Pushes[0].TraceID != a.TraceID {
		t.Fatalf("%+v", a)
	}
	got := w.read(eventlog.EventsTopic, 1)[0]
	e, p := got.Event, got.Event.GetPushed()
	if e.Kind != schemas.Kind_KIND_PUSHED || e.App != "freight" || e.User != "driver-1" || e.Device != "phone" || e.Node != "ingest-1@test" || e.Time == 0 {
		t.Errorf("event %+v", e)
	}
	if schemas.IDFrom(e.TraceId) != id(t, a.TraceID) || len(e.ParentSpan) != 0 {
		t.Errorf("trace %x, parent %x; want %s", e.TraceId, e.ParentSpan, a.TraceID)
	}
	if string(p.Body) != `{"order":1}` || p.Family != 7 || p.Command != 258 || p.Ttl != 60_000 || p.Label != "order" || p.Name != "o-1" || p.Digest != p.DigestFor("phone") {
		t.Errorf("pushed %+v", p)
	}
	if want := schemas.NamedID("freight", "driver-1", "o-1"); schemas.IDFrom(p.PushId) != want || id(t, a.Pushes[0].PushID) != want {
		t.Errorf("push id %x, answer %s, want %v", p.PushId, a.Pushes[0].PushID, want)
	}
	if string(got.Key) != "freight/driver-1" {
		t.Errorf("key %q", got.Key)
	}
}

// The pushes of one request share its trace id; the answer follows the order of
// the users, whatever they are called.
func TestPushToUsers(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	users := []string{"b", `a"\`, "ü", "c"}
	list, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	a := post(t, s, fmt.Sprintf(`{"users":%s,"family":1,"body":"aGk="}`, list))
	if a.code != http.StatusAccepted || !slices.Equal(a.of("accepted"), users) {
		t.Fatalf("%+v", a)
	}
	ids := make(map[string]bool)
	for _, p := range a.Pushes {
		ids[p.PushID] = true
	}
	if len(ids) != len(users) {
		t.Errorf("%d different push ids, want %d", len(ids), len(users))
	}
	for _, got := range w.read(eventlog.EventsTopic, len(users)) {
		if string(got.Event.Pushed.Body) != "hi" || schemas.IDFrom(got.Event.TraceId) != id(t, a.TraceID) {
			t.Errorf("event %+v", got.Event)
		}
	}
}

func TestBatch(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	resp, text := call(t, s, `[{"user":"a","family":1,"json":1},{"users":["b","c"],"family":1,"json":2,"traceparent":"`+traceparent+`"}]`,
		"traceparent", "00-11111111111111111111111111111111-2222222222222222-01")
	var all []answered
	if err := json.Unmarshal(text, &all); err != nil || resp.StatusCode != http.StatusAccepted || len(all) != 2 {
		t.Fatalf("%d %s: %v", resp.StatusCode, text, err)
	}
	if all[1].TraceID != "0af7651916cd43dd8448eb211c80319c" || all[0].TraceID == all[1].TraceID || strings.HasPrefix(all[0].TraceID, "1111") {
		t.Errorf("trace ids %s and %s: each element has its own, the header's belongs to none", all[0].TraceID, all[1].TraceID)
	}
	if !slices.Equal(all[1].of("accepted"), []string{"b", "c"}) {
		t.Errorf("%+v", all[1])
	}
}

func TestTraceparentHeader(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	for header, want := range map[string]string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "0af7651916cd43dd8448eb211c80319c",
		"garbage": "",
	} {
		a := post(t, s, `{"user":"u","family":1,"json":1}`, "traceparent", header)
		if a.code != http.StatusAccepted || want != "" && a.TraceID != want {
			t.Errorf("%s: %+v", header, a)
		}
	}
	var parents []string
	for _, got := range w.read(eventlog.EventsTopic, 2) {
		parents = append(parents, fmt.Sprintf("%x", got.Event.ParentSpan))
	}
	slices.Sort(parents)
	if !slices.Equal(parents, []string{"", "b7ad6b7169203331"}) {
		t.Errorf("parent spans %q", parents)
	}
}

// Every refusal says reason, field and what is allowed; nothing gets into the log.
func TestBadCalls(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	const good = `{"user":"u","family":1,"json":1}`
	for _, c := range []struct {
		name, body string
		headers    []string
		code       int
		reason     string
		field      string
		message    string
	}{
		{"no key", good, []string{"Authorization", ""}, 401, "bad_key", "", "Bearer KEY"},
		{"unknown key", good, []string{"Authorization", "Bearer nobody's"}, 401, "bad_key", "", "Bearer KEY"},
		{"another scheme", good, []string{"Authorization", "Basic " + cityKey}, 401, "bad_key", "", "Bearer KEY"},
		{"no user", `{"family":1,"json":1}`, nil, 400, "bad_request", "user", "exactly one of user"},
		{"negative ttl", `{"user":"u","family":1,"json":1,"ttl":-1}`, nil, 400, "bad_request", "ttl", "seconds from 0"},
		{"ttl too long", `{"user":"u","family":1,"json":1,"ttl":518401}`, nil, 400, "bad_request", "ttl", "six days"},
		{"unknown field", `{"user":"u","family":1,"json":1,"tll":1}`, nil, 400, "bad_request", `"tll"`, "user, users, device"},
		{"body too long", `{"user":"u","family":1,"json":"` + strings.Repeat("x", MaxBody) + `"}`, nil, 400, "bad_request", "json", "32768 bytes"},
		{"no JSON", `user=u`, nil, 400, "bad_request", "", "JSON"},
		{"empty", ``, nil, 400, "bad_request", "", "is empty"},
		{"one bad element", `[` + good + `,{"user":""}]`, nil, 400, "bad_request", "user", "element 1: user is empty"},
		{"call too long", `[` + strings.Repeat(" ", MaxCall) + `]`, nil, 413, "bad_request", "", "8 MiB"},
	} {
		a := post(t, s, c.body, c.headers...)
		if a.code != c.code || a.Status != "refused" || a.Error == nil || a.Error.Reason != c.reason || a.Error.Field != c.field || !strings.Contains(a.Error.Message, c.message) {
			t.Errorf("%s: %d %+v, want %d, reason %s, field %q, message with %q", c.name, a.code, a.Error, c.code, c.reason, c.field, c.message)
		}
	}
	post(t, s, good)
	if got := w.read(eventlog.EventsTopic, 1); got[0].Offset != 0 {
		t.Errorf("the log holds something of a refused call: %+v", got)
	}
}

// With one partition away only its users are refused, and each push says so.
func TestPartitionAway(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	var users []string
	for i := range 40 {
		users = append(users, fmt.Sprintf("u%d", i))
	}
	list, err := json.Marshal(users)
	if err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"users":%s,"family":1,"json":1}`, list)

	w.faults.Fail(eventlog.EventsTopic, 2, errors.New("planted"))
	a := post(t, s, body)
	away := a.of("busy")
	if a.code != http.StatusMultiStatus || a.Status != "partial" || len(away) == 0 || len(away)+len(a.of("accepted")) != len(users) || a.Retry != 1 || a.header.Get("Retry-After") != "1" {
		t.Fatalf("%+v", a)
	}
	for _, user := range away {
		one := post(t, s, fmt.Sprintf(`{"user":%q,"family":1,"json":1}`, user))
		if one.code != http.StatusServiceUnavailable || one.Status != "busy" || one.header.Get("Retry-After") != "1" {
			t.Fatalf("%+v", one)
		}
	}
	w.faults.Clear()
	if b := post(t, s, body); b.code != http.StatusAccepted {
		t.Fatalf("%+v", b)
	}
	for _, got := range w.read(eventlog.EventsTopic, 2*len(users)-len(away)) {
		if got.Event.User == "" {
			t.Errorf("%+v", got)
		}
	}
}

// A call that was not confirmed in time names its push ids; said again with
// them it is the same push.
func TestUnconfirmed(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve(func(c *Config) { c.CallTimeout = 50 * time.Millisecond })
	w.faults.Hold(eventlog.EventsTopic, eventlog.AllPartitions)
	a := post(t, s, `{"user":"u","family":1,"json":1}`)
	if a.code != http.StatusGatewayTimeout || a.Status != "unknown" || len(a.Pushes) != 1 || a.Pushes[0].PushID == "" || a.Retry != 1 {
		t.Fatalf("%+v", a)
	}
	w.faults.Release(eventlog.EventsTopic, eventlog.AllPartitions)
	w.read(eventlog.EventsTopic, 1) // it is in the log after all
	b := post(t, s, fmt.Sprintf(`{"user":"u","family":1,"json":1,"push_id":%q}`, a.Pushes[0].PushID))
	if b.code != http.StatusAccepted || b.Pushes[0].PushID != a.Pushes[0].PushID {
		t.Fatalf("%+v, want push id %s", b, a.Pushes[0].PushID)
	}
	got := w.read(eventlog.EventsTopic, 2)
	if x, y := got[0].Event.Pushed, got[1].Event.Pushed; schemas.IDFrom(x.PushId) != schemas.IDFrom(y.PushId) || x.Digest != y.Digest {
		t.Errorf("%+v and %+v are not the same push", x, y)
	}
}

// What one call says about one user is in the log in the order of the call, and
// after a refusal none of it is.
func TestOrderWithinCall(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	const n = 500
	var elements []string
	for i := range n {
		elements = append(elements, fmt.Sprintf(`{"user":"u%d","family":1,"json":%d}`, i%3, i))
	}
	if resp, text := call(t, s, "["+strings.Join(elements, ",")+"]"); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", resp.StatusCode, text)
	}
	last := map[string]int{}
	for _, got := range w.read(eventlog.EventsTopic, n) {
		var i int
		if err := json.Unmarshal(got.Event.Pushed.Body, &i); err != nil {
			t.Fatal(err)
		}
		if user := got.Event.User; i < last[user] {
			t.Fatalf("%s: %d after %d", user, i, last[user])
		}
		last[got.Event.User] = i
	}
}

func TestHeldUser(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve()
	b := newBatch("freight", 3)
	r := func(user string) *request { return &request{users: []string{user}, family: 1} }
	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
	s.take(b, r("u"))
	w.faults.Clear()
	s.take(b, r("u"))
	s.take(b, r("v"))
	b.leave()
	if got, want := b.wait(patience), (tally{accepted: 1, busy: 2}); got != want {
		t.Errorf("%+v, want %+v: a later push of u overtook the refused one", got, want)
	}
}

func TestTallyStatus(t *testing.T) {
	for _, c := range []struct {
		t    tally
		want status
		code int
	}{
		{tally{accepted: 2}, accepted, 202},
		{tally{accepted: 1, busy: 1}, partial, 207},
		{tally{accepted: 1, unknown: 1}, partial, 207},
		{tally{busy: 2}, busy, 503},
		{tally{checked: 2}, checked, 200},
		{tally{checked: 1, accepted: 1}, accepted, 202},
		{tally{checked: 1, busy: 1}, busy, 503},
		{tally{busy: 1, unknown: 1}, unknown, 504},
	} {
		if got, code := c.t.status(), c.t.httpStatus(); got != c.want || code != c.code {
			t.Errorf("%+v: %s %d, want %s %d", c.t, got, code, c.want, c.code)
		}
	}
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	view := control.Open(w.log)
	s, err := New(Config{Log: w.log, Control: view, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	w.run(s.Run)
	<-s.Ready()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	get := func(path string) int {
		resp, err := http.Get("http://" + s.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if alive, ready := get("/healthz"), get("/readyz"); alive != 200 || ready != 503 {
		t.Errorf("before the apps are read: healthz %d, readyz %d", alive, ready)
	}
	if a := post(t, s, `{"user":"u","family":1,"json":1}`); a.code != 503 || a.Error.Reason != "log_away" || a.header.Get("Retry-After") == "" {
		t.Errorf("before the apps are read: %+v", a)
	}
	w.run(view.Run)
	<-view.Ready()
	if ready := get("/readyz"); ready != 200 {
		t.Errorf("readyz %d", ready)
	}
	if err := w.kafka.Close(); err != nil {
		t.Fatal(err)
	}
	if alive, ready := get("/healthz"), get("/readyz"); alive != 200 || ready != 503 {
		t.Errorf("without a broker: healthz %d, readyz %d", alive, ready)
	}
}

// Without its topic the server could only refuse: it says what to do instead.
func TestTopicMissing(t *testing.T) {
	w := newWorld(t)
	empty := newEmptyLog(t)
	s, err := New(Config{Log: empty, Control: control.Open(w.log), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); !errors.Is(err, eventlog.ErrUnknownTopic) {
		t.Errorf("%v, want %v", err, eventlog.ErrUnknownTopic)
	}
}
