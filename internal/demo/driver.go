package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"waybill/client"
)

// Families and commands of the city's own protocol.
const (
	family      = 10
	cmdLocation = 0x0100 // driver → dispatcher
	cmdOffer    = 0x0200 // dispatcher → driver
)

// location is what a driver reports: kilometres in a city of 20 by 20.
type location struct {
	Driver string  `json:"driver"`
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
}

const cityKm = 20

// driver is one phone in one car.
type driver struct {
	name   string
	counts *counts
	client *client.Client

	// Owned by drive.
	at   location
	dest location

	mu     sync.Mutex
	conn   *radio // of the phone, while it has one
	tunnel bool   // no coverage
}

// errTunnel is what a phone without coverage gets for dialing.
var errTunnel = errors.New("no coverage in the tunnel")

func newDriver(n int, cfg Config, c *counts) (*driver, error) {
	d := &driver{name: fmt.Sprintf("driver-%03d", n), counts: c}
	d.at, d.dest = somewhere(d.name), somewhere(d.name)
	var err error
	d.client, err = client.New(client.Config{
		Addresses: append(slices.Clone(cfg.Gates[n%len(cfg.Gates):]), cfg.Gates[:n%len(cfg.Gates)]...), Platform: "android", Version: "demo", NoCompression: true,
		Token:       func(context.Context) (string, error) { return cfg.Token(d.name, d.name+"-phone") },
		Handler:     d.handle,
		Dial:        d.dial,
		OnNotice:    d.notice,
		BackoffBase: 100 * time.Millisecond, BackoffCap: time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", d.name, err)
	}
	return d, nil
}

func somewhere(name string) location {
	return location{Driver: name, X: rand.Float64() * cityKm, Y: rand.Float64() * cityKm}
}

func (d *driver) handle(_ context.Context, p client.Push) error {
	d.counts.handled.Add(1)
	if p.Again {
		d.counts.again.Add(1)
	}
	return nil
}

func (d *driver) notice(n client.Notice) {
	switch n.Kind {
	case client.Connected:
		d.counts.connected.Add(1)
		d.counts.connects.Add(1)
	case client.Disconnected:
		if d.leave() {
			d.counts.connected.Add(-1)
		}
	}
}

// leave says whether there was a connection, and forgets it.
func (d *driver) leave() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	was := d.conn != nil
	d.conn = nil
	return was
}

func (d *driver) dial(ctx context.Context, address string) (net.Conn, error) {
	if d.inTunnel() {
		return nil, errTunnel
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tunnel {
		return nil, errors.Join(errTunnel, c.Close())
	}
	d.conn = newRadio(c)
	return d.conn, nil
}

func (d *driver) inTunnel() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tunnel
}

// enter takes the coverage away: nothing arrives and nothing leaves, but
// neither the phone nor the gate is told.
func (d *driver) enter() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tunnel = true
	if d.conn != nil {
		d.conn.mute()
	}
}

// leaveTunnel gives it back; the phone finds its connection broken.
func (d *driver) leaveTunnel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tunnel = false
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// drive moves the car and reports where it is until ctx ends. Tunnels are
// entered until calm is set.
func (d *driver) drive(ctx context.Context, calm *atomic.Bool) {
	t := time.NewTicker(reportEvery)
	defer t.Stop()
	until := time.Time{} // end of the tunnel
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		switch {
		case d.inTunnel():
			if calm.Load() || time.Now().After(until) {
				d.leaveTunnel()
				d.counts.inTunnel.Add(-1)
			}
		case !calm.Load() && rand.IntN(tunnelOdds) == 0:
			until = time.Now().Add(time.Second + rand.N(3*time.Second))
			d.enter()
			d.counts.inTunnel.Add(1)
			d.counts.tunnels.Add(1)
		}
		d.move()
		d.report(ctx)
	}
}

// How the city moves: a report a second, and a tunnel about every twelve.
const (
	reportEvery = time.Second
	tunnelOdds  = 12
	kmPerReport = 0.3
)

func (d *driver) move() {
	dx, dy := d.dest.X-d.at.X, d.dest.Y-d.at.Y
	if dx*dx+dy*dy < 1 {
		d.dest = somewhere(d.name)
		return
	}
	d.at.X += kmPerReport * sign(dx)
	d.at.Y += kmPerReport * sign(dy)
}

func sign(x float64) float64 {
	if x < 0 {
		return -1
	}
	return 1
}

// report sends the location, unless the phone knows that nobody hears it.
func (d *driver) report(ctx context.Context) {
	if d.inTunnel() {
		return
	}
	body, err := json.Marshal(d.at)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*reportEvery)
	defer cancel()
	if d.client.Send(ctx, family, cmdLocation, body) == nil {
		d.counts.reports.Add(1)
	}
}
