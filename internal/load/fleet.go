package load

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// dialers connect at once; more only make the listener's queue overflow.
	dialers = 64
	// comeUp bounds how long a whole fleet may take to log in.
	comeUp = 60 * time.Second
	// retryWithin is how soon, at random, a dropped device comes back.
	retryWithin = time.Second
)

// fleetConfig says whose devices they are and where they connect.
type fleetConfig struct {
	Gates  []string // host:port each
	Token  func(user, device string) (string, error)
	Prefix string // of the users' names
	Size   int    // devices, each of a user of its own
	Log    *slog.Logger
}

// fleet is many devices on one poller.
type fleet struct {
	cfg     fleetConfig
	poller  *poller
	devices []*device
	stop    context.CancelFunc
	done    chan struct{} // closed when the poller has ended

	up      atomic.Int64 // devices that have been told that they have everything
	drops   atomic.Int64 // connections that ended unasked
	repeats atomic.Int64 // pushes below the cursor: dropped, acknowledged again
	gaps    atomic.Int64

	// Owned by the poller.
	current        *traffic // of the run at work; nil between runs
	freed          int      // messages that arrived in this round
	parked         bool     // nobody reconnects
	lastPush       int64    // when the newest message came, nanoseconds since 1970
	lastUp         int64    // when the newest resumed came
	from           int64    // latencies count from here; 0 = from each message's own time
	uplinksRefused uint64
	uplinkBody     []byte
	onUplink       func(d *device, now int64, u uplink)

	mu       sync.Mutex
	firstErr error // guarded by mu: why the first connection ended
}

// traffic is what a run wants to know of pushes.
type traffic struct {
	ledger *ledger
	meter  *meter
	window *window // nil in an open loop
}

// newFleet starts the poller; nobody connects yet. close ends it.
func newFleet(cfg fleetConfig) (*fleet, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &fleet{cfg: cfg, poller: p, stop: stop, done: make(chan struct{})}
	for i := range cfg.Size {
		d := &device{f: f, user: fmt.Sprintf("%s-%d", cfg.Prefix, i), name: "phone", gate: cfg.Gates[i%len(cfg.Gates)]}
		_, _ = rand.Read(d.install[:]) // never fails (crypto/rand)
		f.devices = append(f.devices, d)
	}
	p.tick, p.round = f.tick, f.round
	go func() {
		defer close(f.done)
		if err := p.run(ctx); err != nil {
			f.cfg.Log.Error("devices have ended", "error", err)
		}
	}()
	return f, nil
}

func (f *fleet) close() {
	f.stop()
	<-f.done
}

// users of the devices, in their order.
func (f *fleet) users() []string {
	names := make([]string, len(f.devices))
	for i, d := range f.devices {
		names[i] = d.user
	}
	return names
}

// connect brings devices [from, to) up and waits until all are.
func (f *fleet) connect(ctx context.Context, from, to int) error {
	ctx, cancel := context.WithTimeout(ctx, comeUp)
	defer cancel()
	want := f.up.Load() + int64(to-from)
	g, dialing := errgroup.WithContext(ctx)
	g.SetLimit(dialers)
	for _, d := range f.devices[from:to] {
		g.Go(func() error { return f.enter(dialing, d) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("connect devices: %w", err)
	}
	err := poll(ctx, func() bool { return f.up.Load() >= want })
	if err != nil {
		return fmt.Errorf("%d of %d devices are up (first error: %w)", f.up.Load(), want, f.err())
	}
	return nil
}

// enter connects one device that is away and says hello.
func (f *fleet) enter(ctx context.Context, d *device) error {
	fd, err := dial(ctx, d.gate)
	if err != nil {
		return err
	}
	f.poller.do(func() { f.attach(d, fd) })
	return nil
}

func (f *fleet) attach(d *device, fd int) {
	s, err := f.poller.add(fd, d)
	if err != nil {
		f.note(err)
		return
	}
	d.sock, d.retryAt = s, 0
	hello, err := d.hello()
	if err != nil {
		s.end(err)
		return
	}
	s.write(hello)
}

// park drops every connection; the devices stay away until connect.
func (f *fleet) park() {
	f.ask(func() {
		f.parked = true
		for _, d := range f.devices {
			if d.retryAt = 0; d.sock != nil {
				d.sock.end(errParked)
			}
		}
		f.parked = false
	})
}

// begin lets a run see the pushes from now on; nil ends that.
func (f *fleet) begin(t *traffic) { f.ask(func() { f.current, f.from = t, 0 }) }

// ask runs what reads or writes the devices' state and waits for it.
func (f *fleet) ask(what func()) {
	done := make(chan struct{})
	f.poller.do(func() { what(); close(done) })
	<-done
}

// onPush is called by devices for each push that is new to them.
func (f *fleet) onPush(now int64, body []byte) {
	t := f.current
	s, ok := parseStamp(body)
	if !ok || t == nil || s.run != t.ledger.run || !t.ledger.take(s.index) {
		return
	}
	f.lastPush = now
	t.meter.record(max(s.at, f.from), now)
	f.freed++
}

// stampFrom lets all latencies begin at a moment later than the messages' own.
func (f *fleet) stampFrom(t time.Time) { f.ask(func() { f.from = t.UnixNano() }) }

// round makes room for new pushes, once for all that arrived together.
func (f *fleet) round() {
	if f.freed > 0 && f.current != nil && f.current.window != nil {
		f.current.window.give(f.freed)
	}
	f.freed = 0
}

func (f *fleet) dropped(d *device, err error) {
	f.drops.Add(1)
	f.note(fmt.Errorf("%s: %w", d.user, err))
	d.retryAt = time.Now().UnixNano() + mathrand.Int64N(int64(retryWithin))
}

func (f *fleet) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.firstErr == nil {
		f.firstErr = err
	}
}

// err is why the first connection ended, if one did.
func (f *fleet) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.firstErr
}

func (f *fleet) tick(now int64) {
	for _, d := range f.devices {
		d.tick(now)
		if d.retryAt != 0 && now >= d.retryAt {
			d.retryAt = 0
			go f.comeBack(d)
		}
	}
}

func (f *fleet) comeBack(d *device) {
	ctx, cancel := context.WithTimeout(context.Background(), comeUp)
	defer cancel()
	if err := f.enter(ctx, d); err != nil {
		f.poller.do(func() { f.dropped(d, err) })
	}
}

// poll waits until done says so, asking often.
func poll(ctx context.Context, done func() bool) error {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for !done() {
		select {
		case <-t.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// sleep waits for d, or for the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
