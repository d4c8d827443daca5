package gate

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// fakeControl is a control topic in memory.
type fakeControl struct {
	mu      sync.Mutex
	keys    []control.ClusterKey
	asOf    schemas.Position
	revoked []control.Revocation
	behind  time.Duration
	changed chan struct{}
}

func newFakeControl() *fakeControl { return &fakeControl{changed: make(chan struct{})} }

// edit changes the topic.
func (f *fakeControl) edit(change func(*fakeControl)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeControl) ClusterKeys() ([]control.ClusterKey, schemas.Position, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys, f.asOf, f.changed
}

func (f *fakeControl) Revocations() ([]control.Revocation, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.revoked, f.changed
}

func (f *fakeControl) Revoked(app, user, device string, session schemas.ID, began int64) (control.Revocation, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.revoked {
		if r.Covers(app, user, device, session, began) {
			return r, true
		}
	}
	return control.Revocation{}, false
}

func (f *fakeControl) Behind() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.behind
}

// tellControl brings the gate's view something new: a revocation of ann's sessions
// that began up to now, or another age.
func (h *harness) tellControl(s step) {
	h.control.edit(func(f *fakeControl) {
		f.behind = s.duration("behind", 0)
		if s.has("revoke") {
			f.revoked = append(f.revoked, control.Revocation{
				App: "freight", User: "ann", Device: s.word("revoke", ""), Before: h.now.Add(s.duration("in", time.Microsecond)).UnixMicro(),
				Reason: schemas.Reason_REASON_REVOKED,
			})
		}
	})
	h.gate.closeRevoked()
}

// A gate takes over what its view shows: keys, and whom to close.
func TestGateFollowsControl(t *testing.T) {
	h := newHarness(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	t.Cleanup(func() { cancel(); <-ended })
	h.do("login seq=1")
	go func() { h.gate.followControl(ctx); close(ended) }()
	h.control.edit(func(f *fakeControl) {
		f.keys, f.asOf = []control.ClusterKey{publish(t, 1, 40)}, 41
		f.revoked = []control.Revocation{{App: "freight", User: "ann", Before: noon.Add(time.Second).UnixMicro(), Reason: schemas.Reason_REASON_REVOKED}}
	})
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.After(patience); h.gate.table.len() > 0 || h.gate.controlRead.Load() != 41; {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("%d connections, control read up to %d", h.gate.table.len(), h.gate.controlRead.Load())
		}
	}
	if id := h.gate.sealsWith(); id != 1 {
		t.Errorf("seals with key %d, want 1", id)
	}
}

// A change of standing is logged once.
func TestStanding(t *testing.T) {
	h := newHarness(t)
	var said strings.Builder
	h.gate.cfg.Logger = slog.New(slog.NewTextHandler(&said, nil))
	var s standing
	for _, c := range []struct {
		name   string
		change func(*fakeControl)
		want   string
	}{
		{"nothing", func(*fakeControl) {}, ""},
		{"behind", func(f *fakeControl) { f.behind = staleAfter + 1 }, "takes_logins=false"},
		{"still behind", func(*fakeControl) {}, ""},
		{"no more", func(f *fakeControl) { f.behind = staleAfter }, "takes_logins=true"},
		{"a key", func(f *fakeControl) { f.keys = []control.ClusterKey{publish(t, 3, 40)} }, "key=3"},
		{"the same", func(*fakeControl) {}, ""},
	} {
		h.control.edit(c.change)
		h.gate.readControl()
		said.Reset()
		if s.look(h.gate); (c.want == "") != (said.Len() == 0) || !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: said %q, want %q", c.name, said.String(), c.want)
		}
	}
}

var clusterKey = []byte("0123456789abcdef0123456789abcdef")

// publish is a key that was published long ago.
func publish(t testing.TB, id uint32, at schemas.Position) control.ClusterKey {
	t.Helper()
	sealed, err := control.SealKey(clusterKey, id, bytes.Repeat([]byte{byte(id)}, control.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return control.ClusterKey{ID: id, At: at, Published: noon.Add(-time.Hour).UnixMicro(), Sealed: sealed}
}

// A ticket is sealed with the newest key that everybody has, and opens as long
// as its key is known and not retired.
func TestTicketKeys(t *testing.T) {
	s, err := newSealer(clusterKey)
	if err != nil {
		t.Fatal(err)
	}
	now, agreed := noon, schemas.Position(0)
	s.now, s.agreed = func() time.Time { return now }, func() schemas.Position { return agreed }
	first, second := publish(t, 1, 40), publish(t, 2, 50)
	retiring := first
	retiring.Retires = noon.Add(time.Minute).UnixMicro()
	var sealed [][]byte
	for _, c := range []struct {
		name   string
		change func()
		key    uint32 // 0 = the configured one
		opens  int    // of those sealed so far, this one included
	}{
		{"none is published", func() {}, 0, 1},
		{"another gate has not read it", func() { s.take([]control.ClusterKey{first}, slog.Default()); agreed = 39 }, 0, 2},
		{"all have", func() { agreed = 40 }, 1, 3},
		{"the next one is too fresh", func() {
			fresh := second
			fresh.Published = noon.Add(-settle + time.Microsecond).UnixMicro()
			s.take([]control.ClusterKey{fresh, first}, slog.Default())
			agreed = 60
		}, 1, 4},
		{"and has settled", func() { now = now.Add(time.Microsecond) }, 2, 5},
		{"a gate that has read less", func() { agreed = 49; s.take([]control.ClusterKey{second, retiring}, slog.Default()) }, 1, 6},
		{"the first one retires", func() { now = noon.Add(time.Minute) }, 0, 4}, // the configured one's three, the second one's
	} {
		c.change()
		ticket, err := s.seal(&schemas.Ticket{User: "ann"})
		if err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, ticket)
		if key := keyIn(ticket); key != c.key {
			t.Errorf("%s: sealed with key %d, want %d", c.name, key, c.key)
		}
		opens := 0
		for _, ticket := range sealed {
			if got, err := s.open(ticket); err == nil && got.User == "ann" {
				opens++
			}
		}
		if opens != c.opens {
			t.Errorf("%s: %d of %d open, want %d", c.name, opens, len(sealed), c.opens)
		}
	}
	checkForged(t, s, sealed[4])
}

// keyIn is the id that a ticket names.
func keyIn(ticket []byte) uint32 {
	if ticket[0] != ticketPublished {
		return 0
	}
	return binary.BigEndian.Uint32(ticket[1:])
}

// checkForged changes and cuts a ticket that opens.
func checkForged(t *testing.T, s *sealer, sealed []byte) {
	t.Helper()
	if _, err := s.open(sealed); err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		forged := bytes.Clone(sealed)
		forged[i] ^= 3 // key 2 becomes key 1
		if _, err := s.open(forged); err == nil {
			t.Errorf("a ticket with byte %d changed was opened", i)
		}
		if _, err := s.open(sealed[:i]); err == nil {
			t.Errorf("a ticket cut to %d bytes was opened", i)
		}
	}
}

// A key that was published under a wrong configured key is said once, and left
// alone.
func TestUnopenedKey(t *testing.T) {
	s, err := newSealer(clusterKey)
	if err != nil {
		t.Fatal(err)
	}
	s.now, s.agreed = func() time.Time { return noon }, func() schemas.Position { return 100 }
	good, bad := publish(t, 1, 40), publish(t, 2, 50)
	bad.Sealed = bytes.Clone(bad.Sealed)
	bad.Sealed[20] ^= 1
	var said strings.Builder
	for range 2 {
		s.take([]control.ClusterKey{bad, good}, slog.New(slog.NewTextHandler(&said, nil)))
	}
	if k := s.current(); k == nil || k.ID != 1 {
		t.Errorf("seals with %+v, want key 1", k)
	}
	if n := strings.Count(said.String(), "does not open"); n != 1 {
		t.Errorf("said %d times:\n%s", n, said.String())
	}
}

// What counts is every other gate whose lease has not lapsed.
func TestPeersReadControl(t *testing.T) {
	p := newPeers(1)
	if p.readControl() < 1<<60 {
		t.Errorf("alone: %d", p.readControl())
	}
	const second = int64(time.Second / time.Microsecond)
	alive := func(gate uint32, control uint64) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_ALIVE, Gate: gate, Incarnation: 1, Alive: &schemas.Alive{Lease: 10_000, Control: control}}
	}
	for _, c := range []struct {
		name string
		at   int64
		e    *schemas.Event
		want schemas.Position
	}{
		{"a gate starts", 0, &schemas.Event{Kind: schemas.Kind_KIND_STARTED, Gate: 2, Started: &schemas.Started{Lease: 10_000, Control: 7}}, 7},
		{"our own record", 1, alive(1, 3), 7},
		{"it has read on", 2, alive(2, 9), 9},
		{"one of an older version", 3, alive(3, 0), 0},
		{"its lease runs", 12, alive(2, 9), 0},
		{"its lease has lapsed", 14, alive(2, 12), 12},
		{"it stops", 15, &schemas.Event{Kind: schemas.Kind_KIND_STOPPED, Gate: 2, Incarnation: 1}, 1<<64 - 1},
	} {
		p.fold([]eventlog.Entry{{Position: 1, Time: c.at * second, Event: c.e}})
		if got := p.readControl(); got != c.want {
			t.Errorf("%s: read up to %d, want %d", c.name, got, c.want)
		}
	}
}

// A gate that has not read of a key keeps all others from sealing with it; its
// signs of life say how far it is.
func TestGatesAgreeOnKeys(t *testing.T) {
	w := newWorld(t)
	views := []*fakeControl{newFakeControl(), newFakeControl()}
	var gates []*running
	for n, view := range views {
		gates = append(gates, w.start(uint32(n+1), func(c *Config) { c.Control, c.Lease = view, 2*time.Second }))
	}
	topic := w.follow(eventlog.GatesTopic)
	reads := func(n int) {
		views[n].edit(func(f *fakeControl) { f.keys, f.asOf = []control.ClusterKey{publish(t, 1, 40)}, 41 })
		for read := false; !read; {
			e := w.await(topic, schemas.Kind_KIND_ALIVE)
			read = e.Gate == uint32(n+1) && e.Alive.Control == 41
		}
	}
	reads(0)
	w.await(topic, schemas.Kind_KIND_ALIVE)
	if key := gates[0].sealsWith(); key != 0 {
		t.Errorf("gate 1 seals with key %d, which gate 2 has not read", key)
	}
	reads(1)
	for n, g := range gates {
		for g.sealsWith() != 1 {
			w.await(topic, schemas.Kind_KIND_ALIVE) // it reads that as we do
		}
		ticket := dial(t, g.Addr()).login("ann", 0).Ticket
		if key := keyIn(ticket); key != 1 {
			t.Errorf("a ticket of gate %d is sealed with key %d, want 1", n+1, key)
		}
		if _, no := gates[1-n].openTicket(ticket); no != nil {
			t.Errorf("the other gate refuses it: %v", no)
		}
	}
}

// BenchmarkSweep looks at a hundred thousand connections for a revocation.
func BenchmarkSweep(b *testing.B) {
	g := newTestGate(b, &fakeFacts{say: func(string) {}})
	f := newFakeControl()
	f.revoked = []control.Revocation{{App: "freight", User: "nobody", Before: 1}}
	g.cfg.Control = f
	const connections = 100_000
	for n := range uint64(connections) {
		g.table.put(&conn{gate: g, number: n + 1, state: stateLive, who: identity{"freight", "ann", "phone"}})
	}
	for b.Loop() {
		g.closeRevoked()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/connections, "ns/connection")
}
