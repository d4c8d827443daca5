package gate

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"waybill/internal/wire"
	"waybill/schemas"
)

// patience bounds every wait of a test; it is not waited for when all is well.
const patience = 20 * time.Second

// device is a raw one: it writes bytes and reads frames.
type device struct {
	t    testing.TB
	nc   net.Conn
	got  []byte
	user string
}

func dial(t testing.TB, address string) *device {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &device{t: t, nc: nc}
}

func (d *device) write(b []byte) {
	d.t.Helper()
	if _, err := d.nc.Write(b); err != nil {
		d.t.Fatalf("write: %v", err)
	}
}

// read returns the next frame; its error is io.EOF or the reset that stands
// for it.
func (d *device) read() (wire.Header, []byte, error) {
	d.t.Helper()
	if err := d.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
		d.t.Fatal(err)
	}
	for {
		h, payload, rest, err := wire.Next(d.got, 1<<20)
		if err == nil {
			d.got = rest
			return h, payload, nil
		}
		if !errors.Is(err, wire.ErrShort) {
			d.t.Fatalf("the gate wrote no frame: %v", err)
		}
		b := make([]byte, 4096)
		n, err := d.nc.Read(b)
		d.got = append(d.got[:len(d.got):len(d.got)], b[:n]...)
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			d.t.Fatal("the gate says nothing")
		}
		if err != nil {
			return wire.Header{}, nil, err
		}
	}
}

// expect reads one frame and compares its description's beginning.
func (d *device) expect(kind wire.Kind, command uint16) (wire.Header, []byte) {
	d.t.Helper()
	h, payload, err := d.read()
	if err != nil {
		d.t.Fatalf("want %v %s, the connection ended: %v", kind, wire.SessionCommand(command), err)
	}
	if h.Kind != kind || h.Command != command {
		d.t.Fatalf("want %v %s, got %s", kind, wire.SessionCommand(command), describeFrame(h, payload))
	}
	return h, payload
}

// expectClose reads until the farewell, which must give the reason, and the end.
func (d *device) expectClose(want schemas.Reason) {
	d.t.Helper()
	var got schemas.Close
	for {
		h, payload, err := d.read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				d.t.Fatalf("the connection ended with %v", err)
			}
			if got.Reason != want {
				d.t.Fatalf("closed with %q, want %q", got.Reason.Word(), want.Word())
			}
			return
		}
		if h.Kind == wire.KindPush && h.Family == wire.FamilySession && h.Command == wire.CmdClose {
			mustDecode(got.UnmarshalVT(payload[wire.PushPrefixSize:]))
		}
	}
}

func loginFrame(t testing.TB, user string, cursor uint64) []byte {
	h := wire.Header{Kind: wire.KindRequest, Command: wire.CmdLogin, Sequence: 1}
	return wire.AppendFrame(nil, h, nil, encode(&schemas.Login{
		Token: token(t, user, "phone", time.Now().Add(time.Hour)), Hello: hello(cursor, 1),
	}))
}

// login logs in as the user and returns the Welcome.
func (d *device) login(user string, cursor uint64) *schemas.Welcome {
	d.t.Helper()
	d.user = user
	d.write(loginFrame(d.t, user, cursor))
	return d.welcome(wire.CmdLogin)
}

func (d *device) welcome(command uint16) *schemas.Welcome {
	d.t.Helper()
	h, payload := d.expect(wire.KindResponse, command)
	if h.Status != 0 {
		d.t.Fatalf("turned away: %s", describeFrame(h, payload))
	}
	var w schemas.Welcome
	mustDecode(w.UnmarshalVT(payload))
	return &w
}

// echo proves that the connection works: a heartbeat and its answer.
func (d *device) echo() {
	d.t.Helper()
	h := wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: 77}
	d.write(wire.AppendFrame(nil, h, nil, nil))
	d.expect(wire.KindResponse, wire.CmdHeartbeat)
}

// promptFacts is a log that has everything at once, in order.
type promptFacts struct {
	placed
	mu     sync.Mutex
	events []*schemas.Event
	seen   chan struct{} // one place: there is a new event
	dones  chan func(schemas.Position, error)
}

func newPromptFacts(t testing.TB) *promptFacts {
	f := &promptFacts{seen: make(chan struct{}, 1), dones: make(chan func(schemas.Position, error), 1<<16)}
	var wg sync.WaitGroup
	wg.Go(func() {
		position := schemas.Position(0)
		for done := range f.dones {
			position++
			done(position, nil)
		}
	})
	t.Cleanup(func() { close(f.dones); wg.Wait() })
	return f
}

func (f *promptFacts) Report(e *schemas.Event, _ []byte, _ bool, done func(schemas.Position, error)) error {
	kept := new(schemas.Event)
	mustDecode(kept.UnmarshalVT(encode(e)))
	f.mu.Lock()
	f.events = append(f.events, kept)
	f.mu.Unlock()
	select {
	case f.seen <- struct{}{}:
	default:
	}
	if done != nil {
		f.dones <- done
	}
	return nil
}

// await returns the first event of which match holds, when there is one.
func (f *promptFacts) await(t testing.TB, what string, match func(*schemas.Event) bool) *schemas.Event {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		if e := f.find(match); e != nil {
			return e
		}
		select {
		case <-f.seen:
		case <-late.C:
			t.Fatalf("no event: %s", what)
		}
	}
}

func (f *promptFacts) find(match func(*schemas.Event) bool) *schemas.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if match(e) {
			return e
		}
	}
	return nil
}

func ended(r schemas.Reason, user string) func(*schemas.Event) bool {
	return func(e *schemas.Event) bool { return e.User == user && e.Disconnected.GetReason() == r }
}
