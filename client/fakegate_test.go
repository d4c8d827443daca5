package client

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/wire"
	"waybill/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// frame is what a test's gate reads.
type frame struct {
	wire.Header
	payload []byte
}

// fakeGate is a gate without a log: each test says what it answers.
type fakeGate struct {
	t     testing.TB
	dials chan *gateConn
}

// gateConn is the gate's end of one connection.
type gateConn struct {
	t       testing.TB
	address string
	nc      net.Conn
	frames  chan frame // closed when the device has gone
}

func newFakeGate(t testing.TB) *fakeGate {
	return &fakeGate{t: t, dials: make(chan *gateConn)}
}

// dial is a Config.Dial: a pipe, so that the test's clock can be a bubble's.
func (g *fakeGate) dial(ctx context.Context, address string) (net.Conn, error) {
	device, gate := net.Pipe()
	c := &gateConn{t: g.t, address: address, nc: gate, frames: make(chan frame, 10_000)}
	select {
	case g.dials <- c:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	go c.readAll()
	return device, nil
}

// readAll takes what comes as it comes, so that the device never waits.
func (c *gateConn) readAll() {
	defer close(c.frames)
	var buf []byte
	part := make([]byte, 64<<10)
	for {
		n, err := c.nc.Read(part)
		if err != nil {
			return
		}
		buf = append(buf, part[:n]...)
		for {
			h, payload, rest, err := wire.Next(buf, 1<<20)
			if errors.Is(err, wire.ErrShort) {
				break
			}
			if err != nil {
				c.t.Errorf("device sent garbage: %v", err)
				return
			}
			c.frames <- frame{h, append([]byte(nil), payload...)}
			buf = rest
		}
	}
}

// accept waits for the device to dial.
func (g *fakeGate) accept() *gateConn { return <-g.dials }

// welcome is what a fake gate answers. It asks for no heartbeats.
func welcome() *schemas.Welcome {
	return &schemas.Welcome{Session: make([]byte, 16), Ticket: []byte("ticket"), Address: "last:1", Zstd: true}
}

// login accepts a connection and its first frame.
func (g *fakeGate) login() (*gateConn, *schemas.Hello) { return g.loginWith(welcome()) }

func (g *fakeGate) loginWith(w *schemas.Welcome) (*gateConn, *schemas.Hello) {
	g.t.Helper()
	c := g.accept()
	f, hello, _ := c.first()
	c.respond(f, 0, marshal(g.t, w))
	return c, hello
}

// first reads a login or a resume; credential is its token or ticket.
func (c *gateConn) first() (f frame, hello *schemas.Hello, credential string) {
	c.t.Helper()
	f = c.next()
	switch f.Command {
	case wire.CmdLogin:
		var m schemas.Login
		unmarshal(c.t, f.payload, &m)
		return f, m.Hello, "token " + m.Token
	case wire.CmdResume:
		var m schemas.Resume
		unmarshal(c.t, f.payload, &m)
		return f, m.Hello, "ticket " + string(m.Ticket)
	}
	c.t.Fatalf("first frame is %v", f.Header)
	return f, nil, ""
}

// next is the next frame of the device.
func (c *gateConn) next() frame {
	c.t.Helper()
	f, ok := <-c.frames
	if !ok {
		c.t.Fatal("device has gone")
	}
	return f
}

// gone waits until the device has closed; frames that it sent before are
// passed over.
func (c *gateConn) gone() {
	for range c.frames {
	}
}

// silent fails if the device has sent something by now.
func (c *gateConn) silent() {
	c.t.Helper()
	synctest.Wait()
	select {
	case f, ok := <-c.frames:
		if ok {
			c.t.Fatalf("device sent %s, want nothing", wire.Describe(f.Header, f.payload))
		}
		c.t.Fatal("device has gone")
	default:
	}
}

func (c *gateConn) write(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		c.t.Errorf("write to device: %v", err)
	}
}

func (c *gateConn) respond(to frame, reason schemas.Reason, body []byte) {
	c.t.Helper()
	c.write(wire.AppendResponse(nil, to.Header, uint16(reason), body))
}

func (c *gateConn) refuse(to frame, m *schemas.Error) {
	c.t.Helper()
	c.respond(to, m.Reason, marshal(c.t, m))
}

func (c *gateConn) push(position uint64, flags wire.Flags) {
	c.t.Helper()
	c.write(pushFrame(position, flags))
}

func pushFrame(position uint64, flags wire.Flags) []byte {
	h := wire.Header{Flags: flags, Family: 7, Command: 0x0100, Trace: [16]byte{byte(position)}}
	return wire.AppendPush(nil, h, wire.PushPrefix{Position: position, PushID: [16]byte{1}}, []byte("order"))
}

func (c *gateConn) resumed(position uint64, gap *schemas.Gap) {
	c.t.Helper()
	c.session(wire.CmdResumed, position, marshal(c.t, &schemas.Resumed{Gap: gap}))
}

func (c *gateConn) session(command uint16, position uint64, body []byte) {
	c.t.Helper()
	c.write(wire.AppendPush(nil, wire.Header{Command: command}, wire.PushPrefix{Position: position}, body))
}

func (c *gateConn) close(m *schemas.Close) {
	c.t.Helper()
	c.session(wire.CmdClose, 0, marshal(c.t, m))
	c.nc.Close()
}

// wantAck reads an ack and compares.
func (c *gateConn) wantAck(cursor, received uint64) {
	c.t.Helper()
	f := c.next()
	got, err := wire.ParseAckBody(f.payload)
	if f.Kind != wire.KindAck || err != nil || got != (wire.AckBody{Cursor: cursor, Received: received}) {
		c.t.Fatalf("device sent %s, want an ack of %d, received %d", wire.Describe(f.Header, f.payload), cursor, received)
	}
}

// wantUplink reads an uplink and compares.
func (c *gateConn) wantUplink(body string, sequence, lowest uint64, tries uint16) frame {
	c.t.Helper()
	f := c.next()
	p, got, err := wire.ParseUplinkPrefix(f.payload)
	if err != nil || string(got) != body || f.Sequence != sequence || p.Lowest != lowest || p.Tries != tries {
		c.t.Fatalf("device sent %s %q, want %q, sequence %d, lowest %d, tries %d",
			wire.Describe(f.Header, f.payload), got, body, sequence, lowest, tries)
	}
	if age := time.Since(time.UnixMicro(p.Time)); age < 0 || age > time.Second {
		c.t.Errorf("device time is %v ago, want now", age)
	}
	return f
}

func (c *gateConn) ackUplink(f frame) {
	c.t.Helper()
	c.write(wire.AppendUplinkAck(nil, f.Header))
}

type message interface {
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

func marshal(t testing.TB, m message) []byte {
	t.Helper()
	b, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unmarshal(t testing.TB, b []byte, m message) {
	t.Helper()
	if err := m.UnmarshalVT(b); err != nil {
		t.Fatal(err)
	}
}

// device is a client under test, with what its application saw.
type device struct {
	*Client
	t       testing.TB
	store   *MemoryStore
	handled chan Push
	notices chan Notice
	stop    context.CancelFunc
	done    chan struct{}
	err     error // Run's, once done is closed
}

// start runs a client against g; change may set up its Config.
func (g *fakeGate) start(change func(*Config)) *device {
	g.t.Helper()
	d := &device{t: g.t, store: &MemoryStore{}, handled: make(chan Push, 10_000), notices: make(chan Notice, 10_000)}
	cfg := Config{
		Addresses: []string{"gate:1"},
		Token:     func(context.Context) (string, error) { return "t", nil },
		Handler: func(_ context.Context, p Push) error {
			d.handled <- p
			return nil
		},
		Store:    d.store,
		Dial:     g.dial,
		OnNotice: func(n Notice) { d.notices <- n },
	}
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	d.Client = c
	d.run()
	return d
}

func (d *device) run() {
	ctx, cancel := context.WithCancel(context.Background())
	d.stop, d.done = cancel, make(chan struct{})
	go func() {
		defer close(d.done)
		d.err = d.Run(ctx)
	}()
}

// end stops the client; it must not have failed.
func (d *device) end() {
	d.t.Helper()
	d.stop()
	<-d.done
	if d.err != nil {
		d.t.Errorf("Run ended with %v, want nil", d.err)
	}
}

func (d *device) state() State {
	s, _ := d.store.Load()
	return s
}

// wantNotice passes over notices until one of that kind.
func (d *device) wantNotice(kind NoticeKind) Notice {
	for {
		if n := <-d.notices; n.Kind == kind {
			return n
		}
	}
}

// wantHandled reads the next push that the application got.
func (d *device) wantHandled(positions ...uint64) {
	d.t.Helper()
	for _, want := range positions {
		if p := <-d.handled; p.Position != want {
			d.t.Fatalf("application got %d, want %d", p.Position, want)
		}
	}
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, f func(t *testing.T, g *fakeGate)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newFakeGate(t)) })
}

// results collects what Sends return.
type results struct {
	wg  sync.WaitGroup
	err sync.Map // body → error
}

// send calls Send and returns when it has reached its outbox.
func (d *device) send(ctx context.Context, r *results, body string) {
	r.wg.Go(func() { r.err.Store(body, d.Send(ctx, 9, 0x0100, []byte(body))) })
	synctest.Wait()
}

func (r *results) of(body string) error {
	err, _ := r.err.Load(body)
	if err == nil {
		return nil
	}
	return err.(error)
}
