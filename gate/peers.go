package gate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

const (
	// mostOthers is how many other gates an answer to a login names.
	mostOthers = 8
	// staleLeases of silence, while others speak, take a gate off that list.
	staleLeases = 3
)

// peers is the view of waybill.gates: where devices may go instead, and whether
// our number has been given to somebody newer.
type peers struct {
	own   uint32        // fixed
	ready chan struct{} // closed when the topic was read to the end as of the start
	last  chan struct{} // closed when it was read up to our own word that we drain
	list  atomic.Pointer[[]string]
	read  atomic.Uint64 // least that a living gate but this one has read of the control topic

	mu      sync.Mutex
	gates   map[uint32]peer
	newest  int64  // broker time of the newest record, microseconds
	started uint64 // newest `started` of our own number
	leaves  uint64 // newest incarnation of our own number that has said no address
	heard   sync.Once
}

type peer struct {
	address     string
	incarnation uint64
	lease       int64 // microseconds
	seen        int64 // broker time, microseconds
	connections uint64
	control     uint64 // position up to which it has read the control topic
}

// newPeers knows nobody yet.
func newPeers(own uint32) *peers {
	p := &peers{own: own, ready: make(chan struct{}), last: make(chan struct{}), gates: make(map[uint32]peer)}
	p.list.Store(new([]string))
	p.read.Store(math.MaxUint64)
	return p
}

// others are the addresses of the least loaded living gates but this one.
func (p *peers) others() []string { return *p.list.Load() }

// replaced says that a newer process has our number.
func (p *peers) replaced(incarnation uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return incarnation != 0 && p.started > incarnation
}

// fold takes a batch of waybill.gates, then makes the list anew.
func (p *peers) fold(entries []eventlog.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range entries {
		if e := entries[i].Event; e != nil {
			p.newest = max(p.newest, entries[i].Time)
			p.apply(uint64(entries[i].Position), entries[i].Time, e)
		}
	}
	list := p.living()
	p.list.Store(&list)
	p.read.Store(p.leastRead())
}

// readControl is the position up to which every other gate whose lease has not
// lapsed has read the control topic; there is no end to it where there is none.
func (p *peers) readControl() schemas.Position { return schemas.Position(p.read.Load()) }

// leastRead looks at all of them. A gate of a version that says nothing has read
// nothing.
func (p *peers) leastRead() uint64 {
	least := uint64(math.MaxUint64)
	for n, g := range p.gates {
		if n != p.own && p.newest-g.seen <= g.lease {
			least = min(least, g.control)
		}
	}
	return least
}

// apply takes one record. What an older incarnation says late counts nothing.
func (p *peers) apply(position uint64, at int64, e *schemas.Event) {
	known := p.gates[e.Gate]
	switch e.Kind {
	case schemas.Kind_KIND_STARTED:
		if e.Gate == p.own {
			p.started = max(p.started, position)
		}
		p.gates[e.Gate] = peer{strings.Clone(e.Started.GetAddress()), position, e.Started.GetLease() * 1000, at, 0, e.Started.GetControl()}
	case schemas.Kind_KIND_ALIVE:
		if e.Incarnation >= known.incarnation {
			if e.Gate == p.own && e.Alive.GetAddress() == "" {
				p.leaves = max(p.leaves, e.Incarnation)
			}
			p.gates[e.Gate] = peer{strings.Clone(e.Alive.GetAddress()), e.Incarnation, e.Alive.GetLease() * 1000, at, e.Alive.GetConnections(), e.Alive.GetControl()}
		}
	case schemas.Kind_KIND_STOPPED:
		if e.Incarnation >= known.incarnation {
			delete(p.gates, e.Gate)
		}
	}
}

// hear closes last when our own sign of life without an address has been read: of
// everybody who was there before it is known now that they are.
func (p *peers) hear(incarnation uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if incarnation != 0 && p.leaves == incarnation {
		p.heard.Do(func() { close(p.last) })
	}
}

// living is the list: who spoke within its leases, judged by the newest broker
// time in the topic and by no clock, so that an outage of the log ages nobody.
func (p *peers) living() []string {
	var alive []peer
	for n, g := range p.gates {
		if p.lives(n, g) {
			alive = append(alive, g)
		}
	}
	slices.SortFunc(alive, func(a, b peer) int {
		return cmp.Or(cmp.Compare(a.connections, b.connections), cmp.Compare(a.address, b.address))
	})
	list := make([]string, 0, mostOthers)
	for _, g := range alive[:min(len(alive), mostOthers)] {
		list = append(list, g.address)
	}
	return list
}

// lives says that devices may go to that gate: one that is being drained says no
// address.
func (p *peers) lives(number uint32, g peer) bool {
	return number != p.own && g.address != "" && p.newest-g.seen <= staleLeases*g.lease
}

// take is the address of the least loaded other gate, false if there is none. The
// device that is sent there counts until that gate speaks for itself.
func (p *peers) take() (address string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var least uint32
	for n, g := range p.gates {
		if !p.lives(n, g) {
			continue
		}
		if best := p.gates[least].connections; least == 0 || g.connections < best || g.connections == best && n < least {
			least = n
		}
	}
	g := p.gates[least]
	if least != 0 {
		g.connections++
		p.gates[least] = g
	}
	return g.address, least != 0
}

// followGates reads waybill.gates from its start: it is compacted, so short.
func (g *Gate) followGates(ctx context.Context) error {
	err := g.cfg.Log.Follow(ctx, eventlog.FollowConfig{Topic: eventlog.GatesTopic, Partitions: []int32{0}, Serve: g.serveGates})
	if err != nil {
		return fmt.Errorf("follow the gates: %w", err)
	}
	return nil
}

// serveGates reads everything each time it is called; folding a record twice
// changes nothing.
func (g *Gate) serveGates(ctx context.Context, p *eventlog.Partition) error {
	if err := p.Start(eventlog.FromStart, nil); err != nil {
		return fmt.Errorf("start reading: %w", err)
	}
	end, err := p.End(ctx)
	if err != nil {
		return fmt.Errorf("start reading: %w", err)
	}
	for read := p.Offset(); ; {
		if read >= end {
			g.peersReady.Do(func() { close(g.peers.ready) })
		}
		b, err := p.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // the reader is being stopped
		}
		g.peers.fold(b.Entries)
		g.peers.hear(g.incarnation.Load())
		if g.peers.replaced(g.incarnation.Load()) {
			g.stop(ErrReplaced)
		}
		read = b.Next
	}
}
