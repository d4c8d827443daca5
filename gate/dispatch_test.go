package gate

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

var noPeer netip.AddrPort

// TestJump: a gate that missed commands knows of no connection whether its
// series is whole, so it closes all, and reads on from what is left.
func TestJump(t *testing.T) {
	h := newHarness(t)
	h.do("login seq=1")
	h.do("log")
	h.said()
	d := newDispatch(h.gate)
	if err := d.jump(); !errors.Is(err, errJump) || d.next != eventlog.FromStart {
		t.Errorf("after a jump: %v, reading on from %d", err, d.next)
	}
	if c := h.conn; c.state != stateClosing || h.gate.table.len() != 0 {
		t.Errorf("state %d, %d connections", c.state, h.gate.table.len())
	}
	const want = "    < push close"
	if got := "    " + h.said(); got[:len(want)] != want {
		t.Errorf("the device is told %s", got)
	}
}

func TestPeers(t *testing.T) {
	p := newPeers(2)
	at := int64(0)
	say := func(e *schemas.Event) {
		at += 1_000_000
		p.fold([]eventlog.Entry{{Position: schemas.Position(at / 1_000_000), Time: at, Event: e}})
	}
	started := func(gate uint32, address string) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_STARTED, Gate: gate, Started: &schemas.Started{Address: address, Lease: 10_000}}
	}
	alive := func(gate uint32, incarnation, connections uint64, address string) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_ALIVE, Gate: gate, Incarnation: incarnation,
			Alive: &schemas.Alive{Address: address, Lease: 10_000, Connections: connections}}
	}
	expect := func(want ...string) {
		t.Helper()
		got := p.others()
		if len(got) != len(want) {
			t.Fatalf("others are %v, want %v", got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("others are %v, want %v", got, want)
			}
		}
	}
	say(started(1, "one"))         // at position 1
	say(started(2, "own"))         // 2
	say(started(3, "three"))       // 3
	say(alive(1, 1, 50, "one"))    // least loaded first
	say(alive(3, 3, 10, "three"))  //
	expect("three", "one")         //
	say(started(3, "three again")) // 7
	say(alive(3, 3, 1, "three"))   // an older life speaks late
	expect("three again", "one")   //
	if p.replaced(2) {
		t.Error("replaced by nobody")
	}
	for n := range 60 { // each counts where it goes, until that gate speaks
		if to, ok := p.take(); !ok || (to == "three again") != (n < 50 || n%2 == 1) {
			t.Fatalf("device %d is sent to %q", n, to)
		}
	}
	say(alive(1, 1, 50, "")) // it is being drained
	expect("three again")
	say(alive(1, 1, 50, "one"))
	at += 40_000_000 // gate 1 says nothing, others do
	say(alive(3, 6, 10, "three again"))
	expect("three again")
	say(&schemas.Event{Kind: schemas.Kind_KIND_STOPPED, Gate: 3, Incarnation: 6, Stopped: &schemas.Stopped{}})
	expect()
	if to, ok := p.take(); ok {
		t.Errorf("nobody is there, and a device is sent to %q", to)
	}
	say(started(2, "own too"))
	if !p.replaced(2) {
		t.Error("a newer start of the own number was missed")
	}
	for _, leaves := range []uint64{p.started - 1, p.started} { // a former life did so too
		say(alive(2, leaves, 0, ""))
		p.hear(p.started)
		select {
		case <-p.last:
			if leaves != p.started {
				t.Error("a former life's last word is taken for this one's")
			}
		default:
			if leaves == p.started {
				t.Error("the own last word was missed")
			}
		}
	}
}

// TestMetrics: every counter reaches the meter, and reasons are words.
func TestMetrics(t *testing.T) {
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	g, err := New(Config{Number: 1, Facts: deafFacts{}, Apps: fakeApps{}, ClusterKey: make([]byte, ClusterKeySize), Meter: provider.Meter("gate")})
	if err != nil {
		t.Fatal(err)
	}
	c := live(t, g)
	c.shutdown(schemas.Reason_REASON_GATE_STOPPING)
	got := collect(t, reader)
	for name, want := range map[string]int64{
		"waybill.gate.accepted": 1, "waybill.gate.frames/in": 1, "waybill.gate.frames/out": 2,
		"waybill.gate.closes/gate_stopping": 1, "waybill.gate.connections/false": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %d, want %d", name, got[name], want)
		}
	}
	g.metrics.unregister()
}

// collect is each point by its instrument's name and attribute.
func collect(t *testing.T, reader sdk.Reader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range points(m.Data) {
				name := m.Name
				for _, a := range p.Attributes.ToSlice() {
					name += "/" + a.Value.String()
				}
				values[name] = p.Value
			}
		}
	}
	return values
}

func points(d metricdata.Aggregation) []metricdata.DataPoint[int64] {
	switch d := d.(type) {
	case metricdata.Sum[int64]:
		return d.DataPoints
	case metricdata.Gauge[int64]:
		return d.DataPoints
	}
	return nil
}
