package outcomes

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// noon is 2026-11-25 12:00 UTC in microseconds.
const noon = int64(1795608000_000000)

var pushID, traceID = schemas.ID{0: 1, 15: 2}, schemas.ID{0: 3, 15: 4}

func outcome(device string, o *schemas.Outcome) *schemas.Event {
	o.PushId = pushID[:]
	return &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, TraceId: traceID[:], App: "freight", User: "anna", Device: device, Outcome: o}
}

func TestRecord(t *testing.T) {
	const head = `,"app":"freight","user":"anna","push_id":"01000000000000000000000000000002"`
	const trace = `,"trace_id":"03000000000000000000000000000004"`
	for name, c := range map[string]struct {
		event *schemas.Event
		want  string
	}{
		"delivered": {
			outcome("phone", &schemas.Outcome{
				Position: 7, Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Whole: true,
				Attempt: 2, Name: "o-1", Label: "order", Family: 7, Command: 1, Platform: "android",
				Steps: &schemas.Steps{Accepted: noon, Dispatched: noon + 1, Sent: noon + 20, Delivered: noon + 300, Opened: noon + 4000},
			}),
			`{"type":"outcome","position":9,"at":"2026-11-25T12:00:00.5Z"` + head + `,"name":"o-1"` + trace +
				`,"push_position":7,"class":"delivered","reason":"acked","device":"phone","platform":"android","attempt":2,"label":"order","family":7,"command":1` +
				`,"accepted":"2026-11-25T12:00:00Z","dispatched":"2026-11-25T12:00:00.000001Z","sent":"2026-11-25T12:00:00.00002Z"` +
				`,"delivered":"2026-11-25T12:00:00.0003Z","opened":"2026-11-25T12:00:00.004Z"}`,
		},
		"lost": {
			outcome("", &schemas.Outcome{
				Position: 8, Pushed: 3, Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_NEVER_CONNECTED, Family: 7,
				Steps: &schemas.Steps{Accepted: noon},
			}),
			`{"type":"outcome","position":9,"at":"2026-11-25T12:00:00.5Z"` + head + trace +
				`,"push_position":3,"class":"lost","reason":"never_connected","family":7,"command":0,"accepted":"2026-11-25T12:00:00Z"}`,
		},
		"a duplicate": {
			outcome("", &schemas.Outcome{Position: 8, First: 5, Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_DUPLICATE, Family: 7}),
			`{"type":"outcome","position":9,"at":"2026-11-25T12:00:00.5Z"` + head + trace +
				`,"push_position":8,"class":"withdrawn","reason":"duplicate","first":5,"family":7,"command":0}`,
		},
		"nobody connected": {
			&schemas.Event{Kind: schemas.Kind_KIND_UNREACHED, TraceId: traceID[:], App: "freight", User: "anna",
				Unreached: &schemas.Unreached{Position: 8, PushId: pushID[:], Name: "o-1", Label: "order", Family: 7, Command: 2}},
			`{"type":"nobody_connected","position":9,"at":"2026-11-25T12:00:00.5Z"` + head + `,"name":"o-1"` + trace +
				`,"push_position":8,"label":"order","family":7,"command":2}`,
		},
	} {
		if !tells(c.event) {
			t.Errorf("%s: is not told", name)
		}
		m := newMaker()
		r := m.record("waybill.outcomes.freight", &eventlog.Entry{Event: c.event, Position: 9, Time: noon + 500_000, Key: []byte("freight/anna")})
		if diff := cmp.Diff(c.want, string(r.Value)); diff != "" || !json.Valid(r.Value) {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
		wantHeaders := []eventlog.Header{
			{Key: "traceparent", Value: []byte("00-03000000000000000000000000000004-0000000000000004-01")},
			{Key: "position", Value: []byte("9")},
		}
		if diff := cmp.Diff(wantHeaders, r.Headers); diff != "" || string(r.Key) != "freight/anna" || r.Stamp != eventlog.NoStamp {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTells(t *testing.T) {
	for name, e := range map[string]*schemas.Event{
		"one device's":       outcome("tablet", &schemas.Outcome{Class: schemas.Class_CLASS_DELIVERED}),
		"without its body":   {Kind: schemas.Kind_KIND_OUTCOME},
		"unreached, no body": {Kind: schemas.Kind_KIND_UNREACHED},
		"a fact":             {Kind: schemas.Kind_KIND_PUSHED, Pushed: &schemas.Pushed{}},
		"another decision":   {Kind: schemas.Kind_KIND_KICKED, Kicked: &schemas.Kicked{}},
	} {
		if tells(e) {
			t.Errorf("%s is told", name)
		}
	}
}

// A record has no allocation of its own: many share a piece of memory.
func TestRecordAllocations(t *testing.T) {
	m := newMaker()
	x := eventlog.Entry{Position: 9, Time: noon, Key: []byte("freight/anna"),
		Event: outcome("phone", &schemas.Outcome{Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Whole: true, Steps: &schemas.Steps{Accepted: noon}})}
	if n := testing.AllocsPerRun(1000, func() { m.record("waybill.outcomes.freight", &x) }); n > 0.1 {
		t.Errorf("%v allocations a record", n)
	}
}

// What a name holds comes back from the JSON.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "anna", `"\`, "\x00\x1f\x7f", "straße", "\xff\xfe", "\u2028", "�"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(s)
		var want string
		_ = json.Unmarshal(b, &want)
		if got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	m := newMaker()
	x := eventlog.Entry{Position: 9, Time: noon, Key: []byte("freight/anna"),
		Event: outcome("phone", &schemas.Outcome{
			Position: 7, Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Whole: true, Attempt: 1, Label: "order", Family: 7, Platform: "android",
			Steps: &schemas.Steps{Accepted: noon, Dispatched: noon + 1000, Sent: noon + 2000, Delivered: noon + 5000},
		})}
	b.ReportAllocs()
	for b.Loop() {
		m.record("waybill.outcomes.freight", &x)
	}
}
