package delivery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	code := pgtest.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

const patience = 30 * time.Second

// world is a broker with one partition of events, and what gates and workers
// append to it.
type world struct {
	t        *testing.T
	addrs    []string
	log      *eventlog.Log
	faults   *eventlog.Faults
	appender *eventlog.Appender
	events   <-chan eventlog.Entry
	commands map[uint32]<-chan eventlog.Entry // by gate number
	at       eventlog.Appended                // of the newest fact
}

func newWorld(t *testing.T) *world { return newWorldOf(t, 1) }

// newWorldOf has so many partitions of events, of which it follows the first.
func newWorldOf(t *testing.T, partitions int32) *world {
	t.Helper()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Close() })
	w := &world{t: t, addrs: kafka.Addrs(), faults: &eventlog.Faults{}, commands: make(map[uint32]<-chan eventlog.Entry)}
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: kafka.Addrs(), Node: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.log.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := w.log.CreateTopics(ctx, eventlog.Specs(partitions, 3, 1)); err != nil {
		t.Fatal(err)
	}
	if w.appender, err = w.log.NewAppender(eventlog.AppenderConfig{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.appender.Close)
	w.events = w.follow(eventlog.EventsTopic, 0)
	for gate := range uint32(3) {
		w.commands[gate] = w.follow(eventlog.DispatchTopic, int32(gate))
	}
	return w
}

// follow hands out what comes into one partition.
func (w *world) follow(topic string, partition int32) <-chan eventlog.Entry {
	out := make(chan eventlog.Entry, 1000)
	w.run(func(ctx context.Context) error {
		return w.log.Follow(ctx, eventlog.FollowConfig{Topic: topic, Partitions: []int32{partition},
			Serve: func(ctx context.Context, p *eventlog.Partition) error {
				if err := p.Start(eventlog.FromStart, nil); err != nil {
					return err
				}
				for {
					b, err := p.Next(ctx)
					if err != nil {
						return err
					}
					for _, e := range b.Entries {
						select {
						case out <- e:
						case <-ctx.Done():
							return nil
						}
					}
				}
			}})
	})
	return out
}

// run runs f until the returned function is called, or the test ends.
func (w *world) run(f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, eventlog.ErrLost) {
			w.t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	w.t.Cleanup(stop)
	return stop
}

// worker starts a delivery worker on its own way to the log.
func (w *world) worker(load func() (*snapshot.Snapshot, error)) (stop func()) {
	w.t.Helper()
	return w.workerWith(Config{
		Settings: Defaults(), Load: func(context.Context, string, int32) (*snapshot.Snapshot, error) { return load() },
	})
}

func (w *world) workerWith(cfg Config) (stop func()) {
	w.t.Helper()
	cfg.Log, cfg.Node, cfg.Session = w.faulty(), "delivery-1@test", 6*time.Second
	d, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.run(d.Run)
}

// faulty is a way to the log through the seam.
func (w *world) faulty() *eventlog.Log {
	l, err := eventlog.Open(eventlog.Config{Brokers: w.addrs, Node: "delivery-1@test", Faults: w.faults})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Close)
	return l
}

func empty() (*snapshot.Snapshot, error) {
	return &snapshot.Snapshot{State: mailbox.New(), Serials: new(eventlog.Serials)}, nil
}

// add appends a fact and returns its position.
func (w *world) add(topic string, key []byte, e *schemas.Event) schemas.Position {
	w.t.Helper()
	e.Time = time.Now().UnixMicro()
	value, err := e.MarshalVT()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	at, err := w.appender.AppendWait(ctx, eventlog.Record{Topic: topic, Partition: eventlog.ByKey, Key: key, Value: value})
	if err != nil {
		w.t.Fatal(err)
	}
	w.at = at
	return at.Position
}

// gate starts a gate by its record; the position is its incarnation.
func (w *world) gate(number uint32) uint64 {
	return uint64(w.add(eventlog.GatesTopic, []byte{byte('0' + number)}, &schemas.Event{
		Kind: schemas.Kind_KIND_STARTED, Gate: number, Started: &schemas.Started{Lease: 600_000},
	}))
}

// connect gives the user's phone a route on the gate.
func (w *world) connect(user string, gate uint32, incarnation uint64) schemas.ConnID {
	conn := schemas.ConnID{Gate: gate, Incarnation: incarnation, Number: 1}
	e := w.event(schemas.Kind_KIND_CONNECTED, user)
	e.SetConn(conn)
	session := schemas.NewID(time.Now())
	e.Session = session[:]
	e.Connected = &schemas.Connected{Login: true, Install: session[:], Count: 1, Limits: &schemas.Limits{Window: 1024}}
	w.add(eventlog.EventsTopic, schemas.Key("freight", user), e)
	return conn
}

func (w *world) event(kind schemas.Kind, user string) *schemas.Event {
	return &schemas.Event{Kind: kind, App: "freight", User: user, Device: "phone"}
}

// push accepts a push and returns its position.
func (w *world) push(user string) schemas.Position {
	return w.add(eventlog.EventsTopic, schemas.Key("freight", user), w.pushed(user))
}

// pushSoon does not wait for the log.
func (w *world) pushSoon(user string) {
	w.t.Helper()
	value, err := w.pushed(user).MarshalVT()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.appender.Append(eventlog.Record{Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key("freight", user), Value: value}, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pushed(user string) *schemas.Event {
	id := schemas.NewID(time.Now())
	e := w.event(schemas.Kind_KIND_PUSHED, user)
	e.Device, e.TraceId = "", id[:]
	e.Pushed = &schemas.Pushed{PushId: id[:], Family: 1, Body: []byte("hello"), Ttl: 600_000}
	return e
}

// sent: the gate handed the push to the connection's socket.
func (w *world) sent(user string, conn schemas.ConnID, pos schemas.Position) {
	e := w.event(schemas.Kind_KIND_SENT, user)
	e.SetConn(conn)
	e.Sent = &schemas.Sent{Position: uint64(pos), Attempt: 1}
	w.add(eventlog.EventsTopic, schemas.Key("freight", user), e)
}

// acked: the device has everything up to the position.
func (w *world) acked(user string, conn schemas.ConnID, pos schemas.Position) {
	e := w.event(schemas.Kind_KIND_ACKED, user)
	e.SetConn(conn)
	e.Acked = &schemas.Acked{Cursor: uint64(pos)}
	w.add(eventlog.EventsTopic, schemas.Key("freight", user), e)
}

// awaitEvent reads on to the next event of that kind.
func (w *world) awaitEvent(kind schemas.Kind) eventlog.Entry {
	w.t.Helper()
	return w.await(w.events, kind.Word(), func(e eventlog.Entry) bool { return e.Event.Kind == kind })
}

// awaitCommand reads on to the next command of that kind to the gate.
func (w *world) awaitCommand(gate uint32, kind schemas.CommandKind) *schemas.Command {
	w.t.Helper()
	return w.await(w.commands[gate], kind.String(), func(e eventlog.Entry) bool { return e.Command.Kind == kind }).Command
}

func (w *world) await(from <-chan eventlog.Entry, what string, is func(eventlog.Entry) bool) eventlog.Entry {
	w.t.Helper()
	late := time.After(patience)
	for {
		select {
		case e := <-from:
			if is(e) {
				return e
			}
		case <-late:
			w.t.Fatalf("no %s", what)
		}
	}
}
