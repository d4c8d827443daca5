package ingest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/schemas"
)

func TestParseGood(t *testing.T) {
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tp, _ := parseTraceparent(traceparent)
	for _, c := range []struct {
		text string
		want request
	}{
		{`{"user":"u","family":1,"json":{"a": 1}}`, request{users: []string{"u"}, family: 1, body: []byte(`{"a": 1}`), ttl: 86_400_000}},
		{`{"users":["a","b"],"family":65535,"command":65535,"body":"aGk=","ttl":0}`, request{users: []string{"a", "b"}, family: 65535, command: 65535, body: []byte("hi")}},
		{`{"user":"ü","device":"d","family":7,"body":"","ttl":1.5,"label":"order","push_id":"o-1"}`, request{users: []string{"ü"}, device: "d", family: 7, body: []byte{}, ttl: 1500, label: "order", name: "o-1"}},
		{`{"user":"u","family":1,"json":null,"ttl":0.0001}`, request{users: []string{"u"}, family: 1, body: []byte("null"), ttl: 1}},
		{`{"user":"u","family":1,"json":"x","ttl":518400,"traceparent":"` + traceparent + `"}`, request{users: []string{"u"}, family: 1, body: []byte(`"x"`), ttl: 518_400_000, trace: tp}},
	} {
		var got request
		if v := parseOne(&got, c.text); v != nil {
			t.Errorf("%s: %v", c.text, v)
			continue
		}
		got.seen, got.hasBytes = 0, false
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(request{}, trace{})); diff != "" {
			t.Errorf("%s:\n%s", c.text, diff)
		}
	}
}

// rest of a call that is right but for one field.
const rest = `,"family":1,"json":1}`

func TestParseBad(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct{ text, field, problem, allowed string }{
		{``, "", "is empty", "object"},
		{`7`, "", "is a number", "object"},
		{`{"user":"u"` + rest + ` x`, "", "is not JSON", "RFC 8259"},
		{`{"user":"u"`, "", "is not JSON", "RFC 8259"},
		{`{"user":"u","color":1` + rest, `"color"`, "is unknown", "user, users, device, family, command, body, json, ttl, label, push_id, traceparent, collapse_key, deliver_at, first_device_wins, dry_run"},
		{`{"USER":"u"` + rest, `"USER"`, "is unknown", "user, users"},
		{`{"user":"u","user":"u"` + rest, "user", "stands twice", "once"},
		{`{"family":1,"json":1}`, "user", "is missing", "exactly one of user"},
		{`{"user":"u","users":["v"]` + rest, "user", "and users stand both there", "exactly one"},
		{`{"user":""` + rest, "user", "is empty", "1 to 256 bytes"},
		{`{"user":7` + rest, "user", "is a number", "1 to 256 bytes"},
		{`{"user":null` + rest, "user", "is null", "1 to 256 bytes"},
		{`{"user":"a\u0000b"` + rest, "user", "has control characters", "without control characters"},
		{`{"user":"` + long(257) + `"` + rest, "user", "is too long", "256 bytes"},
		{"{\"user\":\"\xff\"" + rest, "user", "is not JSON", "RFC 8259"},
		{`{"users":"u"` + rest, "users", "is a string", "an array"},
		{`{"users":[]` + rest, "users", "is an empty array", "1 to 1000 users"},
		{`{"users":["u",""]` + rest, "users[1]", "is empty", "1 to 256 bytes"},
		{`{"users":["u","u"]` + rest, "users[1]", "stands twice", "none twice"},
		{`{"users":[` + many(MaxUsers+1) + `]` + rest, "users", "has more than 1000 elements", "1 to 1000 users"},
		{`{"user":"u","device":""` + rest, "device", "is empty", "1 to 256"},
		{`{"users":["a","b"],"device":"d"` + rest, "device", "stands beside several users", "one user"},
		{`{"user":"u","json":1}`, "family", "is missing", "1 to 65535"},
		{`{"user":"u","family":0,"json":1}`, "family", "is 0", "1 to 65535"},
		{`{"user":"u","family":65536,"json":1}`, "family", "is too large", "1 to 65535"},
		{`{"user":"u","family":1e30,"json":1}`, "family", "is not whole", "1 to 65535"},
		{`{"user":"u","family":99999999999999999999,"json":1}`, "family", "is too large", "1 to 65535"},
		{`{"user":"u","family":1.5,"json":1}`, "family", "is not whole", "whole number"},
		{`{"user":"u","family":-1,"json":1}`, "family", "is negative", "1 to 65535"},
		{`{"user":"u","family":"1","json":1}`, "family", "is a string", "whole number"},
		{`{"user":"u","command":65536` + rest, "command", "is too large", "0 to 65535"},
		{`{"user":"u","family":1}`, "body", "is missing", "exactly one of body"},
		{`{"user":"u","family":1,"json":1,"body":""}`, "body", "and json stand both there", "exactly one"},
		{`{"user":"u","family":1,"body":1}`, "body", "is a number", "base64"},
		{`{"user":"u","family":1,"body":"a"}`, "body", "is not base64", "base64"},
		{`{"user":"u","family":1,"body":"aGk"}`, "body", "is not base64", "padding"},
		{`{"user":"u","family":1,"body":"aGl="}`, "body", "is not base64", "base64"},
		{`{"user":"u","family":1,"body":"aG\nk="}`, "body", "is not base64", "base64"},
		{`{"user":"u","family":1,"body":"` + base64.StdEncoding.EncodeToString(make([]byte, MaxBody+1)) + `"}`, "body", "is too long", "32768 bytes"},
		{`{"user":"u","family":1,"json":"` + long(MaxBody-1) + `"}`, "json", "is too long", "32768 bytes"},
		{`{"user":"u","family":1,"json":}`, "json", "is not JSON", "RFC 8259"},
		{`{"user":"u","ttl":-1` + rest, "ttl", "is negative", "0 (now or never) to 518400"},
		{`{"user":"u","ttl":518401` + rest, "ttl", "is too long", "six days"},
		{`{"user":"u","ttl":1e999` + rest, "ttl", "is too long", "six days"},
		{`{"user":"u","ttl":"60"` + rest, "ttl", "is a string", "seconds"},
		{`{"user":"u","label":"` + long(65) + `"` + rest, "label", "is too long", "64 bytes"},
		{`{"user":"u","push_id":"` + long(129) + `"` + rest, "push_id", "is too long", "128 bytes"},
		{`{"user":"u","push_id":""` + rest, "push_id", "is empty", "1 to 128 bytes"},
		{`{"user":"u","collapse_key":""` + rest, "collapse_key", "is empty", "1 to 64 bytes"},
		{`{"user":"u","collapse_key":"` + long(65) + `"` + rest, "collapse_key", "is too long", "64 bytes"},
		{`{"user":"u","collapse_key":["a"]` + rest, "collapse_key", "is an array", "1 to 64 bytes"},
		{`{"user":"u","first_device_wins":1` + rest, "first_device_wins", "is a number", "true or false"},
		{`{"user":"u","first_device_wins":tru` + rest, "first_device_wins", "is not JSON", "RFC 8259"},
		{`{"user":"u","dry_run":"true"` + rest, "dry_run", "is a string", "true or false"},
		{`{"user":"u","dry_run":null` + rest, "dry_run", "is null", "true or false"},
		{`{"user":"u","deliver_at":"tomorrow"` + rest, "deliver_at", "is no time of RFC 3339", "seconds since 1970"},
		{`{"user":"u","deliver_at":"2006-01-02"` + rest, "deliver_at", "is no time of RFC 3339", "RFC 3339"},
		{`{"user":"u","deliver_at":true` + rest, "deliver_at", "is a boolean", "RFC 3339"},
		{`{"user":"u","deliver_at":"9999-12-31T23:59:59Z"` + rest, "deliver_at", "is too far ahead", "six days"},
		{`{"user":"u","deliver_at":1e999` + rest, "deliver_at", "is too far ahead", "six days"},
		{`{"user":"u","deliver_at":1700000000000` + rest, "deliver_at", "is too far ahead", "seconds since 1970"},
		{`{"user":"u","deliver_at":` + ahead(6*24*time.Hour+time.Minute) + rest, "deliver_at", "is too far ahead", "six days"},
		{`{"user":"u","deliver_at":` + ahead(5*24*time.Hour+time.Minute) + rest, "deliver_at", "and ttl together reach too far ahead", "ttl included"},
		{`{"user":"u","deliver_at":` + ahead(time.Minute) + `,"ttl":518400` + rest, "deliver_at", "and ttl together reach too far ahead", "ttl included"},
		{`{"user":"u","traceparent":"00-1-2-3"` + rest, "traceparent", "is malformed", "W3C"},
	} {
		v := parseOne(&request{}, c.text)
		if v == nil {
			t.Errorf("%.80s was taken", c.text)
			continue
		}
		if v.Field != c.field || !strings.Contains(v.Problem, c.problem) || !strings.Contains(v.Allowed, c.allowed) {
			t.Errorf("%.80s: %q (field %q), want field %q, problem %q, allowed %q", c.text, v, v.Field, c.field, c.problem, c.allowed)
		}
	}
}

func many(n int) string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf(`"u%d"`, i)
	}
	return strings.Join(users, ",")
}

func TestParseArray(t *testing.T) {
	all, v := parseArray(` [ {"user":"a","family":1,"json":1} , {"user":"b","family":2,"json":2} ] `, false)
	if v != nil || len(all) != 2 || all[0].users[0] != "a" || all[1].users[0] != "b" {
		t.Fatalf("%v, %v", all, v)
	}
	for _, c := range []struct {
		text    string
		element int
		message string
	}{
		{`[]`, -1, "the body is an empty array"},
		{`[{"user":"a","family":1,"json":1},{"user":"b"}]`, 1, "element 1: family is missing"},
		{`[{"user":"a","family":1,"json":1},7]`, 1, "element 1: the body is a number"},
		{`[{"user":"a","family":1,"json":1}`, -1, "the body is not JSON: at byte 33: want a comma or ]"},
		{`[{"user":"a","family":1,"json":1}]]`, -1, "the body is not JSON"},
	} {
		_, v := parseArray(c.text, false)
		if v == nil || v.Element != c.element || !strings.HasPrefix(v.Error(), c.message) {
			t.Errorf("%s: %v", c.text, v)
		}
	}
}

func TestPushID(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	drawn, named := schemas.NewID(now), schemas.NamedID("app", "u", "o-1")
	for _, c := range []struct {
		name string
		want schemas.ID
	}{
		{"o-1", named},
		{drawn.String(), drawn},
		{named.String(), named},
		{"0af76519-16cd-43dd-8448-eb211c80319c", schemas.NamedID("app", "u", "0af76519-16cd-43dd-8448-eb211c80319c")}, // a UUIDv4
	} {
		r := request{name: c.name}
		if got := r.pushID("app", "u", now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	r := request{}
	if a, b := r.pushID("app", "u", now), r.pushID("app", "u", now); a == b || a[6]>>4 != 7 {
		t.Errorf("drawn %v and %v", a, b)
	}
}

func TestParseTraceparent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for text, want := range map[string]bool{
		good: true, "01" + good[2:]: true, "01" + good[2:] + "-more": true,
		"": false, good + "-more": false, "ff" + good[2:]: false, "01" + good[2:] + "more": false, strings.ToUpper(good): false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333x-01": false,
	} {
		if _, ok := parseTraceparent(text); ok != want {
			t.Errorf("%q: %v, want %v", text, ok, want)
		}
	}
}

// slow is what encoding/json makes of a push request.
type slow struct {
	User        *string         `json:"user"`
	Users       []string        `json:"users"`
	Device      *string         `json:"device"`
	Family      uint16          `json:"family"`
	Command     uint16          `json:"command"`
	Body        *string         `json:"body"`
	JSON        json.RawMessage `json:"json"`
	TTL         *float64        `json:"ttl"`
	Label       *string         `json:"label"`
	PushID      *string         `json:"push_id"`
	Traceparent *string         `json:"traceparent"`
	CollapseKey *string         `json:"collapse_key"`
	DeliverAt   any             `json:"deliver_at"`
	FirstWins   bool            `json:"first_device_wins"`
	Dry         bool            `json:"dry_run"`
}

// What the parser takes, encoding/json understands in the same way.
func FuzzParse(f *testing.F) {
	f.Add(`{"user":"u","family":1,"json":{"a": 1}}`)
	f.Add(`{"users":["a","b"],"family":65535,"command":7,"body":"aGk=","ttl":0.5,"label":"l","push_id":"p"}`)
	f.Add(`{"user":"\ud83d\ude00","device":"d","family":1,"json":[1,"x",{}],"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`)
	f.Add(`{"user":"u","family":1,"json":1,"collapse_key":"k","deliver_at":"2020-01-02T03:04:05.6+01:00"}`)
	f.Add(`{"user":"u","family":1,"json":1,"deliver_at":-1.5e300,"first_device_wins":true,"dry_run":false}`)
	f.Add(`[{"user":"u","family":1,"json":1}]`)
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = parseArray(text, false)
		var r request
		if v := parseOne(&r, text); v != nil {
			if v.Problem == "" || v.Allowed == "" {
				t.Fatalf("%q: a violation that does not explain itself: %+v", text, v)
			}
			return
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		var want slow
		if err := d.Decode(&want); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		compare(t, &r, want)
	})
}

func compare(t *testing.T, r *request, want slow) {
	t.Helper()
	users := want.Users
	if want.User != nil {
		users = []string{*want.User}
	}
	body := []byte(want.JSON)
	if want.Body != nil {
		body, _ = base64.StdEncoding.DecodeString(*want.Body)
	}
	ttl := int64(DefaultTTL * 1000)
	if want.TTL != nil {
		ttl = int64(math.Ceil(*want.TTL * 1000))
	}
	str := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	if !cmp.Equal(r.users, users) || r.family != uint32(want.Family) || r.command != uint32(want.Command) || !bytes.Equal(r.body, body) ||
		r.ttl != ttl || r.device != str(want.Device) || r.label != str(want.Label) || r.name != str(want.PushID) || r.collapse != str(want.CollapseKey) ||
		r.firstWins != want.FirstWins || r.dry != want.Dry {
		t.Fatalf("read %+v, want %+v", r, want)
	}
	if len(r.body) > MaxBody || len(r.users) > MaxUsers || r.ttl < 0 || r.ttl > MaxTTL*1000 || len(r.label) > MaxLabel || len(r.collapse) > MaxCollapse || r.deliverAt < 0 {
		t.Fatalf("beyond its bounds: %+v", r)
	}
}

func BenchmarkParse(b *testing.B) {
	text := `{"user":"driver-0042","family":7,"command":1,"json":{"order":"o-123456","from":{"lat":48.1374,"lon":11.5755},"to":{"lat":48.2082,"lon":16.3738},"price":1234,"note":"two pallets, forklift needed"},"ttl":60,"label":"order"}`
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var r request
		if v := parseOne(&r, text); v != nil {
			b.Fatal(v)
		}
	}
}
