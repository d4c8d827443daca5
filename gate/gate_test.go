package gate

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/client"
	"waybill/internal/eventlog"
	"waybill/internal/wire"
	"waybill/schemas"
)

// world is an embedded broker, a log and what a test wants to read of it.
type world struct {
	t       testing.TB
	brokers []string
	log     *eventlog.Log
	faults  *eventlog.Faults
	facts   *logFacts
	append  *eventlog.Appender
	events  chan *schemas.Event // waybill.events, from now on
	gates   chan *schemas.Event // waybill.gates, from the start
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) { return net.Listen(network, "127.0.0.1:0") }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	w := &world{t: t, brokers: cluster.ListenAddrs(), faults: &eventlog.Faults{}}
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: w.brokers, Faults: w.faults}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.log.Close)
	specs := append(eventlog.Specs(2, 4, 1), eventlog.AppSpecs("freight", 2, 1)...)
	if err := w.log.CreateTopics(w.within(), specs); err != nil {
		t.Fatal(err)
	}
	w.append = w.appender()
	w.facts = &logFacts{w.appender()}
	if err := w.facts.Prepare(w.within(), eventlog.EventsTopic, eventlog.UplinkTopic("freight")); err != nil {
		t.Fatal(err)
	}
	w.events = w.follow(eventlog.EventsTopic)
	w.gates = w.follow(eventlog.GatesTopic)
	return w
}

func (w *world) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) appender() *eventlog.Appender {
	w.t.Helper()
	a, err := w.log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(a.Close)
	return a
}

// follow brings a topic's events.
func (w *world) follow(topic string) chan *schemas.Event {
	events := make(chan *schemas.Event, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.log.Follow(ctx, eventlog.FollowConfig{Topic: topic, Serve: func(ctx context.Context, p *eventlog.Partition) error {
			if err := p.Start(eventlog.FromStart, nil); err != nil {
				return err
			}
			for {
				b, err := p.Next(ctx)
				if err != nil {
					return nil
				}
				for _, e := range b.Entries {
					events <- e.Event
				}
			}
		}})
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	return events
}

// logFacts appends facts as ingest does.
type logFacts struct{ *eventlog.Appender }

func (f *logFacts) Report(e *schemas.Event, value []byte, urgent bool, done func(schemas.Position, error)) error {
	r := eventlog.Record{Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User), Value: encode(e), Urgent: urgent}
	if e.Kind == schemas.Kind_KIND_UPLINKED {
		r.Topic, r.Stamp = eventlog.UplinkTopic(e.App), eventlog.StampHeader
		r.Headers, r.Value = []eventlog.Header{{Key: eventlog.StampHeaderName, Value: r.Value}}, value
	}
	return f.Append(r, func(at eventlog.Appended, err error) {
		if done != nil {
			done(at.Position, err)
		}
	})
}

func (w *world) await(from chan *schemas.Event, kind schemas.Kind) *schemas.Event {
	w.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case e := <-from:
			if e.Kind == kind {
				return e
			}
		case <-late.C:
			w.t.Fatalf("no %s", kind.Word())
		}
	}
}

// running is a gate at work.
type running struct {
	*Gate
	stop context.CancelFunc
	err  chan error
}

func (w *world) start(number uint32, edit ...func(*Config)) *running {
	w.t.Helper()
	cfg := Config{
		Number: number, Listen: "127.0.0.1:0", Log: w.log, Facts: w.facts, Apps: fakeApps{},
		ClusterKey: []byte("0123456789abcdef0123456789abcdef"), Lease: 300 * time.Millisecond,
	}
	for _, f := range edit {
		f(&cfg)
	}
	g, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{g, cancel, make(chan error, 1)}
	ended := make(chan struct{})
	go func() { r.err <- g.Run(ctx); close(ended) }()
	w.t.Cleanup(func() { cancel(); <-ended })
	select {
	case <-g.Ready():
	case err := <-r.err:
		w.t.Fatalf("the gate ended: %v", err)
	case <-time.After(patience):
		w.t.Fatal("the gate does not get ready")
	}
	return r
}

// ended waits for Run.
func (r *running) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.err:
		return err
	case <-time.After(patience):
		t.Fatal("the gate does not end")
		return nil
	}
}

// tell appends a command for the connection of an event.
func (w *world) tell(to *schemas.Event, cmd *schemas.Command) {
	w.t.Helper()
	cmd.App, cmd.User, cmd.Device, cmd.Session = to.App, to.User, to.Device, to.Session
	cmd.TraceId, cmd.Time, cmd.Attempt = make([]byte, 16), time.Now().UnixMicro(), 1
	cmd.SetConn(to.Conn())
	_, err := w.append.AppendWait(w.within(), eventlog.Record{
		Topic: eventlog.DispatchTopic, Partition: int32(to.Gate), Key: schemas.Key(to.App, to.User), Value: encode(cmd),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func tellPush(position, previous uint64, body string) *schemas.Command {
	c := pushAt(position, previous)
	c.Family, c.Command, c.Body, c.PushId = 5, 0x0100, []byte(body), make([]byte, 16)
	return c
}

// TestGateServesAClient: the SDK logs in, gets a push, acknowledges, sends, and
// is told when the gate stops.
func TestGateServesAClient(t *testing.T) {
	w := newWorld(t)
	g := w.start(2)
	started := w.await(w.gates, schemas.Kind_KIND_STARTED)
	if started.Gate != 2 || started.Started.Address != g.Addr() {
		t.Errorf("started says gate %d at %s", started.Gate, started.Started.Address)
	}
	uplinks := w.follow(eventlog.UplinkTopic("freight"))

	handled := make(chan client.Push, 10)
	c, err := client.New(client.Config{
		Addresses: []string{g.Addr()},
		Token:     func(context.Context) (string, error) { return token(t, "ann", "phone", time.Now().Add(time.Hour)), nil },
		Handler:   func(_ context.Context, p client.Push) error { handled <- p; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })

	connected := w.await(w.events, schemas.Kind_KIND_CONNECTED)
	if !connected.Connected.Login || connected.Incarnation == 0 {
		t.Errorf("connected by login %v, incarnation %d", connected.Connected.Login, connected.Incarnation)
	}
	w.tell(connected, tellPush(1, 0, "order 17"))
	w.tell(connected, &schemas.Command{Kind: schemas.CommandKind_COMMAND_KIND_RESUMED, Position: 2, Previous: 1})
	if p := <-handled; string(p.Body) != "order 17" || p.Position != 1 {
		t.Errorf("handled %q at %d", p.Body, p.Position)
	}
	if s := w.await(w.events, schemas.Kind_KIND_SENT).Sent; s.Position != 1 || s.Attempt != 1 {
		t.Errorf("sent says %v", s)
	}
	for cursor := uint64(0); cursor != 2; {
		cursor = w.await(w.events, schemas.Kind_KIND_ACKED).Acked.Cursor
	}
	if err := c.Send(w.within(), 7, 0x0100, []byte("here")); err != nil {
		t.Errorf("send: %v", err)
	}
	if u := w.await(uplinks, schemas.Kind_KIND_UPLINKED).Uplinked; u.Family != 7 || u.Size != 4 {
		t.Errorf("uplinked says %v", u)
	}
	if a := w.await(w.gates, schemas.Kind_KIND_ALIVE); a.Incarnation != connected.Incarnation || a.Alive.Address != g.Addr() {
		t.Errorf("alive says %s of incarnation %d", a.Alive.Address, a.Incarnation)
	}

	g.stop()
	if err := g.ended(t); err != nil {
		t.Errorf("run: %v", err)
	}
	if r := w.await(w.events, schemas.Kind_KIND_DISCONNECTED).Disconnected.Reason; r != schemas.Reason_REASON_GATE_STOPPING {
		t.Errorf("disconnected says %s", r.Word())
	}
	w.await(w.gates, schemas.Kind_KIND_STOPPED)
}

// TestGateWithoutTheLog: no login, and nothing else changes.
func TestGateWithoutTheLog(t *testing.T) {
	w := newWorld(t)
	g := w.start(2)
	ann := dial(t, g.Addr())
	ann.login("ann", 0)
	connected := w.await(w.events, schemas.Kind_KIND_CONNECTED)
	for p := uint64(1); p <= 3; p++ {
		w.tell(connected, tellPush(p, p-1, "order"))
		ann.expect(wire.KindPush, 0x0100)
	}

	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errAway)
	for cursor := uint64(1); cursor <= 3; cursor++ {
		ann.write(wire.AppendAck(nil, wire.AckBody{Cursor: cursor}))
	}
	ann.echo()
	bob := dial(t, g.Addr())
	bob.write(loginFrame(t, "bob", 0))
	if h, payload := bob.expect(wire.KindResponse, wire.CmdLogin); schemas.Reason(h.Status) != schemas.Reason_REASON_BUSY {
		t.Errorf("bob is told %s", describeFrame(h, payload))
	}
	bob.expectClose(schemas.Reason_REASON_BUSY)
	ann.echo()

	w.faults.Clear()
	if a := w.await(w.events, schemas.Kind_KIND_ACKED); a.User != "ann" || a.Acked.Cursor != 3 {
		t.Errorf("reported %s at %d, want the newest cursor", a.User, a.Acked.Cursor)
	}
	dial(t, g.Addr()).login("bob", 0)
}

func TestGateIsReplaced(t *testing.T) {
	w := newWorld(t)
	old := w.start(2)
	d := dial(t, old.Addr())
	welcome := d.login("ann", 0)
	before := w.await(w.events, schemas.Kind_KIND_CONNECTED)

	fresh := w.start(2)
	d.expectClose(schemas.Reason_REASON_GATE_REPLACED)
	d.nc.Close()
	if err := old.ended(t); !errors.Is(err, ErrReplaced) {
		t.Errorf("run: %v, want ErrReplaced", err)
	}

	// The ticket is good on the new one; the old connection is nobody's.
	d = dial(t, fresh.Addr())
	h := wire.Header{Kind: wire.KindRequest, Command: wire.CmdResume, Sequence: 2}
	d.write(wire.AppendFrame(nil, h, nil, encode(&schemas.Resume{Ticket: welcome.Ticket, Hello: hello(0, 2)})))
	d.welcome(wire.CmdResume)
	after := w.await(w.events, schemas.Kind_KIND_CONNECTED)
	if after.Incarnation <= before.Incarnation || schemas.IDFrom(after.Session) != schemas.IDFrom(before.Session) {
		t.Errorf("resumed as %v of incarnation %d after %v of %d", after.Session, after.Incarnation, before.Session, before.Incarnation)
	}
	// Nothing else of ann's is in the log: her login is its first record.
	if at := schemas.Position(after.Connected.LoginAt); after.Connected.Login || at != schemas.At(0, 0) {
		t.Errorf("resumed by login %v, of the session that began at %v", after.Connected.Login, at)
	}
	// A command for the old life goes unanswered; one for an unknown connection
	// of its own is bounced, and is the first bounce that comes.
	w.tell(before, tellPush(1, 0, "late"))
	unknown := &schemas.Event{App: after.App, User: after.User, Device: after.Device, Gate: after.Gate, Incarnation: after.Incarnation, Connection: after.Connection + 99}
	w.tell(unknown, tellPush(2, 1, "lost"))
	if b := w.await(w.events, schemas.Kind_KIND_BOUNCED); b.Conn() != unknown.Conn() || b.Bounced.Position != 2 {
		t.Errorf("bounced %v at %d", b.Conn(), b.Bounced.Position)
	}
	d.echo()
}

// TestGateNamesOthers: an answer to a login names the other living gates.
func TestGateNamesOthers(t *testing.T) {
	w := newWorld(t)
	one := w.start(1)
	two := w.start(2)
	welcome := dial(t, two.Addr()).login("ann", 0)
	if len(welcome.Others) != 1 || welcome.Others[0] != one.Addr() || welcome.Address != two.Addr() {
		t.Errorf("the device is told %s and %v, want %s and %s", welcome.Address, welcome.Others, two.Addr(), one.Addr())
	}
}

func TestGateChecksItsConfig(t *testing.T) {
	good := Config{Number: 1, Facts: &fakeFacts{}, Apps: fakeApps{}, ClusterKey: make([]byte, ClusterKeySize)}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no number":          func(c *Config) { c.Number = 0 },
		"no facts":           func(c *Config) { c.Facts = nil },
		"no apps":            func(c *Config) { c.Apps = nil },
		"short key":          func(c *Config) { c.ClusterKey = c.ClusterKey[:31] },
		"small frames":       func(c *Config) { c.MaxFrame = 100 },
		"queue below frame":  func(c *Config) { c.Queue = 100 },
		"negative heartbeat": func(c *Config) { c.Heartbeat = -1 },
		"negative drain":     func(c *Config) { c.DrainTime = -1 },
		"negative rate":      func(c *Config) { c.DrainRate = -1 },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestGateBeyondThePartitions(t *testing.T) {
	w := newWorld(t)
	g, err := New(Config{Number: 9, Listen: "127.0.0.1:0", Log: w.log, Facts: w.facts, Apps: fakeApps{}, ClusterKey: make([]byte, ClusterKeySize)})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(w.within()); !errors.Is(err, eventlog.ErrNoPartition) {
		t.Errorf("gate 9 of four partitions: %v", err)
	}
}
