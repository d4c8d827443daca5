package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/bytebufferpool"
	"golang.org/x/sync/errgroup"

	"waybill/internal/wire"
)

// ErrReplaced is what Run returns when another process has taken the gate's
// number over. It must not be started again by itself: two would fight.
var ErrReplaced = errors.New("another process has taken over this gate's number")

// Gate is one process's connections.
type Gate struct {
	// Fixed by New.
	cfg      Config
	tokens   *tokens
	tickets  *sealer
	pack     *wire.Compressor
	unpack   *wire.Decompressor
	refusals *refusals
	metrics  *metrics
	now      func() time.Time
	epoch    time.Time // zero of clock

	// Each guards itself.
	table       *table
	wheel       *wheel
	owing       owing
	places      *places
	peers       *peers
	peersReady  sync.Once
	frames      bytebufferpool.Pool // frames on their way out
	reads       bytebufferpool.Pool // bytes on their way in
	numbers     atomic.Uint64       // connections so far
	incarnation atomic.Uint64       // 0 before `started` is in the log
	controlRead atomic.Uint64       // position up to which the control topic is in force here
	ends        atomic.Int64        // disconnects on their way into the log
	draining    atomic.Bool         // nobody is let in any more
	stalled     atomic.Int64        // nanoseconds; see look
	looked      int64               // on the clock; owned by tick

	// Set by Run before anything else is started.
	stop context.CancelCauseFunc

	ready chan struct{}               // closed by Run when it accepts
	addr  atomic.Pointer[net.TCPAddr] // set before ready is closed
}

// New checks the configuration; it opens nothing.
func New(cfg Config) (*Gate, error) {
	cfg.setDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configure gate: %w", err)
	}
	g := &Gate{
		cfg: cfg, now: time.Now, table: newTable(), wheel: &wheel{}, epoch: time.Now(), peers: newPeers(cfg.Number), places: newPlaces(cfg.Facts, cfg.Logger),
		refusals: newRefusals(), ready: make(chan struct{}), stop: func(error) {},
	}
	g.tokens = newTokens(cfg.Apps, func() time.Time { return g.now() })
	var err error
	if g.tickets, err = newSealer(cfg.ClusterKey); err != nil {
		return nil, fmt.Errorf("configure gate: %w", err)
	}
	g.tickets.now, g.tickets.agreed = func() time.Time { return g.now() }, g.peers.readControl
	if g.pack, err = wire.NewCompressor(); err != nil {
		return nil, fmt.Errorf("configure gate: %w", err)
	}
	if g.unpack, err = wire.NewDecompressor(int(cfg.MaxFrame)); err != nil {
		return nil, fmt.Errorf("configure gate: %w", err)
	}
	if g.metrics, err = newMetrics(g); err != nil {
		return nil, fmt.Errorf("configure gate: %w", err)
	}
	return g, nil
}

// clock is nanoseconds since the gate was made, less those that it was stalled.
// Setting the system's clock does not move it.
func (g *Gate) clock() int64 { return int64(g.now().Sub(g.epoch)) - g.stalled.Load() }

// until is a time in microseconds since 1970 on the gate's clock; 0 is never.
func (g *Gate) until(at int64) int64 {
	if at == 0 {
		return math.MaxInt64
	}
	left := time.UnixMicro(at).Sub(g.now())
	return g.clock() + min(int64(left), math.MaxInt64/2)
}

// Ready is closed when the gate accepts connections.
func (g *Gate) Ready() <-chan struct{} { return g.ready }

// Addr is what is listened on; empty before Ready.
func (g *Gate) Addr() string {
	if a := g.addr.Load(); a != nil {
		return a.String()
	}
	return ""
}

// Advertised is the address that devices are told.
func (g *Gate) Advertised() string {
	if g.cfg.Advertise != "" {
		return g.cfg.Advertise
	}
	return g.Addr()
}

// Connections is how many have logged in.
func (g *Gate) Connections() int { return g.table.len() }

// Run serves until ctx ends, then drains: redirects, farewells, disconnects,
// `stopped`. It waits for the log as long as that is away. It returns [ErrReplaced] when
// the number has been taken over, nil after a drain, and runs once.
func (g *Gate) Run(ctx context.Context) error {
	defer g.metrics.unregister()
	ctx, g.stop = context.WithCancelCause(ctx)
	defer g.stop(nil)
	// What serves the connections outlives ctx until the drain is over.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	work := new(errgroup.Group)
	err := g.serve(ctx, serving, work)
	end()
	if failed := work.Wait(); err == nil && failed != nil {
		err = failed
	}
	if err != nil {
		return fmt.Errorf("run gate %d: %w", g.cfg.Number, err)
	}
	return nil
}

// serve starts everything in order, waits and drains.
func (g *Gate) serve(ctx, serving context.Context, work *errgroup.Group) error {
	life, err := newLife(g)
	if err != nil {
		return err
	}
	defer life.appender.Close()
	listener, err := g.begin(ctx, serving, work, life)
	if err != nil {
		return stopCause(ctx, err)
	}
	carrier, err := newTransport(g, listener)
	if err != nil {
		listener.Close()
		return err
	}
	// Devices may knock, and the lease goes on, while they are handed over.
	open, shut := context.WithCancel(serving)
	defer shut()
	work.Go(func() error { return g.orStop(carrier.run(serving)) })
	work.Go(func() error { return g.orStop(carrier.accept(open)) })
	work.Go(func() error { life.alive(open); return nil })
	close(g.ready)
	g.cfg.Logger.Info("gate ready", "number", g.cfg.Number, "incarnation", g.incarnation.Load(), "address", g.Addr())
	<-ctx.Done()
	cause := stopCause(ctx, nil)
	if cause == nil {
		cause = g.handOver(life)
	}
	shut()
	return g.drain(cause, life)
}

// begin fixes the gate's place in its commands and reads who else there is;
// only then it listens and takes its number.
func (g *Gate) begin(ctx, serving context.Context, work *errgroup.Group, life *life) (net.Listener, error) {
	g.readControl() // before `started` says how far
	work.Go(func() error { g.followControl(serving); return nil })
	d := newDispatch(g)
	work.Go(func() error { return g.orStop(d.follow(serving)) })
	work.Go(func() error { return g.orStop(g.followGates(serving)) })
	work.Go(func() error { g.tick(serving); return nil })
	work.Go(func() error { g.places.run(serving); return nil })
	for _, done := range []<-chan struct{}{d.placed, g.peers.ready} {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", g.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for devices: %w", err)
	}
	tcp, _ := listener.Addr().(*net.TCPAddr)
	g.addr.Store(tcp)
	if err := life.started(ctx); err != nil {
		listener.Close()
		return nil, err
	}
	if g.peers.replaced(g.incarnation.Load()) {
		g.stop(ErrReplaced)
	}
	return listener, nil
}

// orStop ends the gate when a part of it fails.
func (g *Gate) orStop(err error) error {
	if err != nil {
		g.stop(err)
	}
	return err
}

// stopCause is why ctx ended, nil where somebody only asked for it; before
// that, err.
func stopCause(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil {
		return err
	}
	if errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return nil
	}
	return cause
}

// tick turns the wheel and reports what is owed.
func (g *Gate) tick(ctx context.Context) {
	turn, retry := time.NewTicker(wheelTick), time.NewTicker(retryEvery)
	defer turn.Stop()
	defer retry.Stop()
	for {
		select {
		case <-turn.C:
			g.look()
		case <-retry.C:
			g.owing.retry()
		case <-ctx.Done():
			return
		}
	}
}

// look turns the wheel. A gate that was stopped, or got no processor, has read
// nothing meanwhile: its clock leaves that time out, so that what devices said
// in it is read before anybody is judged by their silence.
func (g *Gate) look() {
	now := g.clock()
	if gap := time.Duration(now - g.looked); g.looked > 0 && gap > stallAfter {
		now = g.looked + int64(wheelTick)
		g.stalled.Add(int64(gap - wheelTick))
		g.cfg.Logger.Warn("the gate was stalled", "seconds", gap.Seconds())
	}
	g.looked = now
	g.wheel.turn(now)
}

// stallAfter is above what a loaded machine or a collection takes, and below
// every deadline.
const stallAfter = time.Second

// retryEvery is how soon after the log is back its gate speaks again.
const retryEvery = time.Second
