package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Config of a city. All addresses are those of a running Waybill.
type Config struct {
	Drivers int           // default 200
	For     time.Duration // how long orders come (default 12 s)
	App     string
	APIKey  string
	Token   func(user, device string) (string, error)
	Gates   []string // host:port
	Brokers []string // host:port
	Ingest  string   // URL
	Console string   // URL
	Out     io.Writer
	Live    bool // redraw one status line, as on a terminal
	Stays   bool // the Console can be read afterwards
}

// counts of what the city sees of itself.
type counts struct {
	connected, inTunnel                                      atomic.Int64 // now
	connects, tunnels, reports, locations, accepted, handled atomic.Int64 // in all
	again                                                    atomic.Int64 // pushes written a second time
}

// settleFor bounds the wait for the last pushes: their ttl, then one ack timer.
const settleFor = (offerTTL + 15) * time.Second

// Run lets the city live, waits until each of its pushes has ended and prints
// what happened. The error says where the books do not balance.
func Run(ctx context.Context, cfg Config) error {
	if cfg.Drivers == 0 {
		cfg.Drivers = 200
	}
	if cfg.For == 0 {
		cfg.For = 12 * time.Second
	}
	c := &city{cfg: cfg, start: time.Now(), boss: &dispatcher{cfg: cfg, where: make(map[string]location)}}
	c.boss.counts = &c.counts
	for n := range cfg.Drivers {
		d, err := newDriver(n, cfg, &c.counts)
		if err != nil {
			return err
		}
		c.drivers = append(c.drivers, d)
	}
	return c.live(ctx)
}

type city struct {
	cfg     Config
	start   time.Time
	counts  counts
	drivers []*driver
	boss    *dispatcher
	calm    atomic.Bool // no new tunnels
	silence func()      // ends the status line and waits for it: one writes at a time
}

func (c *city) live(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range c.drivers {
		g.Go(func() error { return d.client.Run(ctx) })
		g.Go(func() error { d.drive(ctx, &c.calm); return nil })
	}
	g.Go(func() error { return c.boss.readLocations(ctx) })
	status, hush := context.WithCancel(ctx)
	defer hush()
	silent := make(chan struct{})
	c.silence = func() { hush(); <-silent }
	g.Go(func() error { defer close(silent); return c.statusLine(status) })
	var result error
	g.Go(func() error {
		defer end()
		result = c.day(ctx)
		return nil
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return result
}

// day: orders come for a while, then everybody comes home and the books are
// closed.
func (c *city) day(ctx context.Context) error {
	evening := time.NewTimer(c.cfg.For)
	defer evening.Stop()
	if err := c.boss.offerOrders(ctx, evening.C); err != nil {
		return err
	}
	c.calm.Store(true)
	f, err := c.settle(ctx)
	if err != nil {
		return err
	}
	c.silence()
	c.say(true)
	c.counts.print(c.cfg.Out, f)
	if err := c.printSurvivor(ctx); err != nil {
		return err
	}
	if f.open() != 0 || f.Total.Accepted != c.counts.accepted.Load() {
		return fmt.Errorf("the books do not balance: %d accepted by the call, %d in the funnel, %d of them without an outcome",
			c.counts.accepted.Load(), f.Total.Accepted, f.open())
	}
	return nil
}

// funnel is the console's answer, as far as the demo needs it.
type funnel struct {
	Total   struct{ Accepted int64 }
	Endings []ending
}

type ending struct {
	Class, Reason string
	Count         int64
}

func (f funnel) class(name string) (n int64) {
	for _, e := range f.Endings {
		if e.Class == name {
			n += e.Count
		}
	}
	return n
}

// classes of outcomes, in the order of the report.
var classes = [...]string{"delivered", "withdrawn", "lost", "unconfirmed"}

// open is how many accepted pushes have no outcome.
func (f funnel) open() int64 {
	n := f.Total.Accepted
	for _, class := range classes {
		n -= f.class(class)
	}
	return n
}

// settle waits until the funnel knows an outcome of every push; when it has
// waited long enough, the last funnel says what is missing.
func (c *city) settle(ctx context.Context) (last funnel, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		f, failed := c.funnel(ctx)
		if failed == nil && f.open() == 0 && f.Total.Accepted == c.counts.accepted.Load() {
			return f, nil
		}
		if ctx.Err() == nil {
			last, err = f, failed
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return last, err
		}
	}
}

func (c *city) funnel(ctx context.Context) (f funnel, err error) {
	q := url.Values{"app": {c.cfg.App}, "label": {"offer"}, "from": {c.start.UTC().Format(time.RFC3339)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Console+"/v1/funnel?"+q.Encode(), http.NoBody)
	if err != nil {
		return f, fmt.Errorf("make call: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	err = getJSON(req, http.StatusOK, &f)
	return f, err
}
