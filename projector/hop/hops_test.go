package hop

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"waybill/schemas"
)

var (
	testTrace   = schemas.ID{1}
	testSession = schemas.ID{2}
	testPush    = schemas.ID{3}
	testInstall = schemas.ID{4}
	testConn    = schemas.ConnID{Gate: 2, Incarnation: 17, Number: 5}
	testPlace   = place{topic: "waybill.events", partition: 1, position: 900, logged: 7_000_000}
)

const testTime = 5_000_000

// event has everything that the kinds have in common.
func event(kind schemas.Kind, body func(*schemas.Event)) *schemas.Event {
	e := &schemas.Event{
		Kind: kind, TraceId: testTrace[:], ParentSpan: []byte{0, 0, 0, 0, 0, 0, 1, 2}, App: "freight", User: "u1",
		Device: "d1", Session: testSession[:], Time: testTime, Node: "gate-2@h", Term: 8,
	}
	e.SetConn(testConn)
	if body != nil {
		body(e)
	}
	return e
}

// hopOf is the hop that event leads to, before what its kind adds.
func hopOf(kind string, rank uint8, change func(*hopRow)) hopRow {
	h := hopRow{
		trace: testTrace, session: testSession, conn: testConn, at: testTime, parentSpan: 258, rank: rank, kind: kind,
		app: "freight", user: "u1", device: "d1", node: "gate-2@h", place: testPlace,
	}
	if change != nil {
		change(&h)
	}
	return h
}

func dispatchedHop(attempt uint32) hopRow {
	return hopOf("dispatched", rankDispatched, func(h *hopRow) {
		h.position, h.push, h.attempt, h.at, h.node, h.parentSpan = 700, testPush, attempt, 4_000_000, "delivery-1@h", 0
	})
}

func connectionOf(kind string, change func(*connectionRow)) connectionRow {
	c := connectionRow{
		trace: testTrace, session: testSession, conn: testConn, at: testTime, kind: kind,
		app: "freight", user: "u1", device: "d1", node: "gate-2@h", place: testPlace,
	}
	change(&c)
	return c
}

func pushOf(version uint8, change func(*pushRow)) pushRow {
	p := pushRow{trace: testTrace, push: testPush, span: 258, version: version, app: "freight", user: "u1", device: "d1", place: testPlace}
	change(&p)
	return p
}

// kindTest is one way of each kind into rows.
type kindTest struct {
	name  string
	event *schemas.Event
	want  rows
}

func pushTests() []kindTest {
	outcome := func(whole bool) *schemas.Outcome {
		return &schemas.Outcome{
			Position: 700, PushId: testPush[:], Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED,
			Steps: &schemas.Steps{Accepted: 1e6, Dispatched: 2e6, Sent: 3e6, Delivered: 4_500_000}, Attempt: 2,
			Label: "offer", Family: 7, Command: 0x0102, Platform: "ios", Name: "n1", Whole: whole,
		}
	}
	ackedHop := hopOf("acked", rankAcked, func(h *hopRow) {
		h.position, h.push, h.attempt, h.at, h.node, h.parentSpan = 700, testPush, 2, 4_500_000, "gate-2", 0
	})
	outcomeHop := hopOf("outcome", rankOutcome, func(h *hopRow) {
		h.position, h.push, h.attempt, h.class, h.reason = 700, testPush, 2, "delivered", "acked"
	})
	return []kindTest{
		{"pushed", event(schemas.Kind_KIND_PUSHED, func(e *schemas.Event) {
			e.Pushed = &schemas.Pushed{PushId: testPush[:], Name: "n1", Family: 7, Command: 0x0102, Body: []byte("hello"), Ttl: 60_000, Label: "offer"}
		}), rows{
			hops: []hopRow{hopOf("pushed", rankPushed, func(h *hopRow) { h.position, h.push, h.size = 900, testPush, 5 })},
			pushes: []pushRow{pushOf(pushAccepted, func(p *pushRow) {
				p.position, p.size, p.name, p.label, p.family, p.command = 900, 5, "n1", "offer", 7, 0x0102
				p.steps.accepted, p.expires, p.accepts = testTime, 67_000_000, 1
			})},
		}},
		{"a delivered outcome of one device", event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) { e.Outcome = outcome(false) }),
			rows{hops: []hopRow{ackedHop, outcomeHop}}},
		{"a delivered outcome that is the push's own", event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) { e.Outcome = outcome(true) }), rows{
			hops: []hopRow{ackedHop, outcomeHop},
			pushes: []pushRow{pushOf(pushEnded, func(p *pushRow) {
				p.position, p.attempt, p.class, p.reason, p.ended = 700, 2, "delivered", "acked", testTime
				p.name, p.label, p.platform, p.family, p.command = "n1", "offer", "ios", 7, 0x0102
				p.steps = steps{accepted: 1e6, dispatched: 2e6, sent: 3e6, delivered: 4_500_000}
			})},
		}},
		{"an outcome as a whole", event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) {
			e.Device = ""
			e.Outcome = &schemas.Outcome{Position: 700, PushId: testPush[:], Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_DUPLICATE, First: 600}
		}), rows{
			hops: []hopRow{hopOf("outcome", rankOutcome, func(h *hopRow) {
				h.device, h.position, h.push, h.class, h.reason = "", 700, testPush, "withdrawn", "duplicate"
			})},
			pushes: []pushRow{pushOf(pushEnded, func(p *pushRow) {
				p.device, p.position, p.class, p.reason, p.ended, p.first = "", 700, "withdrawn", "duplicate", testTime, 600
				p.steps.accepted = testTime
			})},
		}},
		{"released", event(schemas.Kind_KIND_RELEASED, func(e *schemas.Event) { e.Released = &schemas.Released{Position: 700} }),
			rows{hops: []hopRow{hopOf("released", rankReleased, func(h *hopRow) { h.position = 700 })}}},
		{"unreached", event(schemas.Kind_KIND_UNREACHED, func(e *schemas.Event) {
			e.Unreached = &schemas.Unreached{Position: 700, PushId: testPush[:]}
		}), rows{hops: []hopRow{hopOf("unreached", rankUnreached, func(h *hopRow) { h.position, h.push = 700, testPush })}}},
		{"cancel_asked", event(schemas.Kind_KIND_CANCEL_ASKED, func(e *schemas.Event) { e.CancelAsked = &schemas.CancelAsked{PushId: testPush[:]} }),
			rows{hops: []hopRow{hopOf("cancel_asked", rankCancelAsked, func(h *hopRow) { h.push = testPush })}}},
	}
}

func gateTests() []kindTest {
	return []kindTest{
		{"sent", event(schemas.Kind_KIND_SENT, func(e *schemas.Event) {
			e.Sent = &schemas.Sent{Position: 700, PushId: testPush[:], Attempt: 2, Dispatched: 4_000_000, DispatchedBy: "delivery-1@h"}
		}), rows{hops: []hopRow{dispatchedHop(2), hopOf("sent", rankSent, func(h *hopRow) { h.of(700, testPush, 2) })}}},
		{"bounced", event(schemas.Kind_KIND_BOUNCED, func(e *schemas.Event) {
			e.Bounced = &schemas.Bounced{Reason: schemas.Reason_REASON_UNKNOWN_CONNECTION, Position: 700, PushId: testPush[:], Attempt: 1, Dispatched: 4_000_000, DispatchedBy: "delivery-1@h"}
		}), rows{hops: []hopRow{dispatchedHop(1), hopOf("bounced", rankBounced, func(h *hopRow) {
			h.of(700, testPush, 1)
			h.reason = "unknown_connection"
		})}}},
		{"a bounced command that was no push", event(schemas.Kind_KIND_BOUNCED, func(e *schemas.Event) { e.Bounced = &schemas.Bounced{} }), rows{}},
		{"acked", event(schemas.Kind_KIND_ACKED, func(e *schemas.Event) { e.Acked = &schemas.Acked{Cursor: 700} }), rows{}},
		{"opened", event(schemas.Kind_KIND_OPENED, func(e *schemas.Event) { e.Opened = &schemas.Opened{Position: 700, PushId: testPush[:]} }),
			rows{hops: []hopRow{hopOf("opened", rankOpened, func(h *hopRow) { h.position, h.push = 700, testPush })}}},
		{"uplinked", event(schemas.Kind_KIND_UPLINKED, func(e *schemas.Event) { e.Uplinked = &schemas.Uplinked{Family: 7, Size: 12} }),
			rows{hops: []hopRow{hopOf("uplinked", rankUplinked, func(h *hopRow) { h.position, h.size = 900, 12 })}}},
		{"relayed", event(schemas.Kind_KIND_RELAYED, func(e *schemas.Event) { e.Relayed = &schemas.Relayed{Position: 700} }),
			rows{hops: []hopRow{hopOf("relayed", rankRelayed, func(h *hopRow) { h.position = 700 })}}},
		{"parked", event(schemas.Kind_KIND_PARKED, func(e *schemas.Event) {
			e.Parked = &schemas.Parked{Position: 700, Reason: schemas.Reason_REASON_BUSY}
		}), rows{hops: []hopRow{hopOf("parked", rankParked, func(h *hopRow) { h.position, h.reason = 700, "busy" })}}},
	}
}

func connectionTests() []kindTest {
	return []kindTest{
		{"connected", event(schemas.Kind_KIND_CONNECTED, func(e *schemas.Event) {
			e.Connected = &schemas.Connected{Login: true, Platform: "ios", ClientVersion: "1.2", Network: "lte", Cursor: 600, Install: testInstall[:], Count: 3, Address: "10.0.0.1:5"}
		}), rows{connections: []connectionRow{connectionOf("connected", func(c *connectionRow) {
			c.how, c.platform, c.version, c.network = "login", "ios", "1.2", "lte"
			c.cursor, c.install, c.count, c.address = 600, testInstall, 3, "10.0.0.1:5"
		})}}},
		{"connected by resume", event(schemas.Kind_KIND_CONNECTED, func(e *schemas.Event) { e.Connected = &schemas.Connected{} }),
			rows{connections: []connectionRow{connectionOf("connected", func(c *connectionRow) { c.how = "resume" })}}},
		{"disconnected", event(schemas.Kind_KIND_DISCONNECTED, func(e *schemas.Event) {
			e.Disconnected = &schemas.Disconnected{Reason: schemas.Reason_REASON_ACK_TIMEOUT, Detail: "10 s", Cursor: 600,
				Traffic: &schemas.Traffic{FramesIn: 1, FramesOut: 2, BytesIn: 3, BytesOut: 4, Swallowed: 5}}
		}), rows{connections: []connectionRow{connectionOf("disconnected", func(c *connectionRow) {
			c.reason, c.detail, c.cursor, c.traffic = "ack_timeout", "10 s", 600, traffic{1, 2, 3, 4, 5}
		})}}},
		{"refused", event(schemas.Kind_KIND_REFUSED, func(e *schemas.Event) {
			e.TraceId = nil
			e.Refused = &schemas.Refused{Reason: schemas.Reason_REASON_TOKEN_EXPIRED, What: "login", Detail: "since 12:00", Address: "10.0.0.1:5"}
		}), rows{connections: []connectionRow{connectionOf("refused", func(c *connectionRow) {
			c.trace, c.reason, c.how, c.detail, c.address = schemas.ID{}, "token_expired", "login", "since 12:00", "10.0.0.1:5"
		})}}},
		{"refused, with a trace id", event(schemas.Kind_KIND_REFUSED, func(e *schemas.Event) {
			e.Refused = &schemas.Refused{Reason: schemas.Reason_REASON_BUSY, What: "uplink"}
		}), rows{
			connections: []connectionRow{connectionOf("refused", func(c *connectionRow) { c.reason, c.how = "busy", "uplink" })},
			hops:        []hopRow{hopOf("refused", rankRefused, func(h *hopRow) { h.reason = "busy" })},
		}},
		{"kicked", event(schemas.Kind_KIND_KICKED, func(e *schemas.Event) {
			e.Kicked = &schemas.Kicked{Session: testInstall[:], Reason: schemas.Reason_REASON_KICKED}
		}), rows{connections: []connectionRow{connectionOf("kicked", func(c *connectionRow) { c.session, c.reason = testInstall, "kicked" })}}},
		{"session_ended", event(schemas.Kind_KIND_SESSION_ENDED, func(e *schemas.Event) {
			e.SessionEnded = &schemas.SessionEnded{Session: testInstall[:], Reason: schemas.Reason_REASON_LOGGED_OUT}
		}), rows{connections: []connectionRow{connectionOf("session_ended", func(c *connectionRow) { c.session, c.reason = testInstall, "logged_out" })}}},
		{"route_ended", event(schemas.Kind_KIND_ROUTE_ENDED, func(e *schemas.Event) {
			e.RouteEnded = &schemas.RouteEnded{Reason: schemas.Reason_REASON_GATE_SILENT}
		}), rows{connections: []connectionRow{connectionOf("route_ended", func(c *connectionRow) { c.reason = "gate_silent" })}}},
	}
}

// silent kinds are of no message's way and of no device's life.
var silent = []schemas.Kind{
	schemas.Kind_KIND_UNSPECIFIED, schemas.Kind_KIND_ACKED, schemas.Kind_KIND_CLAIMED, schemas.Kind_KIND_RESTATED, schemas.Kind_KIND_SEALED,
	schemas.Kind_KIND_STARTED, schemas.Kind_KIND_ALIVE, schemas.Kind_KIND_STOPPED, schemas.Kind_KIND_TICK,
	schemas.Kind_KIND_APP_SET, schemas.Kind_KIND_APP_REMOVED, schemas.Kind_KIND_REVOKED, schemas.Kind_KIND_CLUSTER_KEY_SET,
	schemas.Kind_KIND_IDENTIFIED,
}

// unfolded are the rows as if each hop had one of its own.
func unfolded(r rows) rows {
	r.settle()
	r.begun = nil // memory of the cut, no row
	hops := slices.Clone(r.hops)
	r.pushes = slices.Clone(r.pushes)
	for i := range r.pushes {
		p := &r.pushes[i]
		for hop := range wayHops {
			if p.tells>>hop&1 == 1 {
				hops = append(hops, r.told(p, hop))
			}
		}
		p.tells, p.session, p.conn, p.sentPlace = 0, schemas.ID{}, schemas.ConnID{}, 0
		p.acceptedBy, p.dispatchedBy, p.sentBy, p.endedBy = "", "", "", ""
	}
	slices.SortStableFunc(hops, func(a, b hopRow) int { return cmp.Or(cmp.Compare(a.position, b.position), cmp.Compare(a.rank, b.rank)) })
	r.hops, r.free, r.gates = hops, nil, nil
	return r
}

func TestRowsOfEveryKind(t *testing.T) {
	left := make(map[schemas.Kind]bool)
	for n := range schemas.Kind_name {
		left[schemas.Kind(n)] = true
	}
	tests := append(append(pushTests(), gateTests()...), connectionTests()...)
	for _, kind := range silent {
		tests = append(tests, kindTest{name: kind.Word(), event: event(kind, nil)})
	}
	for _, test := range tests {
		delete(left, test.event.Kind)
		t.Run(test.name, func(t *testing.T) {
			var got rows
			got.add(test.event, testPlace)
			diff := gocmp.Diff(test.want, unfolded(got), gocmp.AllowUnexported(rows{}, hopRow{}, connectionRow{}, pushRow{}, place{}, traffic{}, steps{}))
			if diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
	for kind := range left {
		t.Errorf("%v is not tested: say which rows it yields", kind)
	}
}

// TestRowsOfAPushThatEndsInItsCut: one row stands for acceptance and end.
func TestRowsOfAPushThatEndsInItsCut(t *testing.T) {
	var got rows
	for n := range uint64(2) {
		at := testPlace
		at.position = schemas.Position(900 + n)
		got.add(event(schemas.Kind_KIND_PUSHED, func(e *schemas.Event) { e.Pushed = &schemas.Pushed{PushId: testPush[:]} }), at)
	}
	end := event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) {
		e.Outcome = &schemas.Outcome{Position: 900, PushId: testPush[:], Class: schemas.Class_CLASS_LOST}
	})
	end.Device = ""
	got.add(end, testPlace)
	if len(got.pushes) != 2 {
		t.Fatalf("%d rows, want one for each push", len(got.pushes))
	}
	if p := got.pushes[0]; p.position != 900 || p.version != pushEnded || p.accepts != 1 || p.class != "lost" {
		t.Errorf("the ended push has version %d, accepts %d, class %q", p.version, p.accepts, p.class)
	}
	if p := got.pushes[1]; p.position != 901 || p.version != pushAccepted || p.accepts != 1 {
		t.Errorf("the other has version %d, accepts %d", p.version, p.accepts)
	}
}

// TestRowsOfAPushForLater: its one row stands where it was accepted, in one cut or
// in two; the hops of its way name the position of its release.
func TestRowsOfAPushForLater(t *testing.T) {
	at := testPlace
	at.position = 900
	accept := event(schemas.Kind_KIND_PUSHED, func(e *schemas.Event) {
		e.Device, e.Session, e.Pushed = "", nil, &schemas.Pushed{PushId: testPush[:], DeliverAt: testTime + 1e6}
		e.SetConn(schemas.ConnID{})
	})
	end := event(schemas.Kind_KIND_OUTCOME, func(e *schemas.Event) {
		e.Outcome = &schemas.Outcome{Position: 950, Pushed: 900, PushId: testPush[:], Class: schemas.Class_CLASS_DELIVERED, Whole: true}
	})
	var one, later rows
	one.add(accept, at)
	at.position = 960
	one.add(end, at)
	later.add(end, at)
	one.settle()
	later.settle()
	for name, r := range map[string]*rows{"one cut": &one, "two cuts": &later} {
		if len(r.pushes) != 1 || r.pushes[0].position != 900 || r.pushes[0].class != "delivered" {
			t.Errorf("%s: rows of pushes %+v, want one at 900", name, r.pushes)
		}
		for _, h := range r.hops {
			if h.position != 950 {
				t.Errorf("%s: the hop %s names %d, want 950", name, h.kind, h.position)
			}
		}
		if len(r.hops) != 2 {
			t.Errorf("%s: %d hops have rows of their own, want acked and outcome", name, len(r.hops))
		}
	}
}

// A record of a newer or a broken writer has no body: its rows are poor, and
// nothing breaks.
func TestRowsWithoutBodies(t *testing.T) {
	for n := range schemas.Kind_name {
		var got rows
		got.add(&schemas.Event{Kind: schemas.Kind(n)}, testPlace)
		for _, h := range got.hops {
			if h.at != testPlace.logged {
				t.Errorf("%v: the hop %s is at %d, want the broker's time", schemas.Kind(n), h.kind, h.at)
			}
		}
	}
}
