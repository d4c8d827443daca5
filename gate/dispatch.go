package gate

import (
	"context"
	"errors"
	"fmt"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

var errJump = errors.New("commands were missed: retention overtook the gate")

// dispatch follows the gate's own partition of waybill.dispatch.
type dispatch struct {
	gate   *Gate
	next   int64 // offset; kept when serving breaks off
	placed chan struct{}
	obeyer obeyer
}

// newDispatch begins at the end of the partition, wherever that is when it is
// first served.
func newDispatch(g *Gate) *dispatch {
	return &dispatch{gate: g, next: eventlog.FromEnd, placed: make(chan struct{}), obeyer: obeyer{gate: g}}
}

// follow reads until ctx ends. It fails only where the topic has no such
// partition: the gate's number is wrong.
func (d *dispatch) follow(ctx context.Context) error {
	err := d.gate.cfg.Log.Follow(ctx, eventlog.FollowConfig{
		Topic: eventlog.DispatchTopic, Partitions: []int32{int32(d.gate.cfg.Number)}, Serve: d.serve,
		Fetch: eventlog.Fetch{Reuse: true},
	})
	if err != nil {
		return fmt.Errorf("follow the commands: %w", err)
	}
	return nil
}

// serve fixes the gate's place at the partition's end, once; all that is older
// was for connections that do not exist any more.
func (d *dispatch) serve(ctx context.Context, p *eventlog.Partition) error {
	if err := p.Start(d.next, nil); err != nil {
		return fmt.Errorf("start reading: %w", err)
	}
	if d.next == eventlog.FromEnd {
		close(d.placed)
	}
	d.next = p.Offset()
	for {
		if p.Jumped() {
			return d.jump()
		}
		b, err := p.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // the reader is being stopped
		}
		if p.Jumped() {
			return d.jump()
		}
		d.obey(b.Entries)
		d.next = b.Next
	}
}

// jump closes everything, since no connection's series is known to be whole.
// The gate reads on from the oldest command that is left.
func (d *dispatch) jump() error {
	d.next = eventlog.FromStart
	for _, c := range d.gate.wheel.all() {
		c.shutdown(schemas.Reason_REASON_DISPATCH_JUMP)
	}
	return errJump
}

// obey hands a batch over. Commands alias the memory of their fetch; whoever
// keeps one longer than this call clones it.
func (d *dispatch) obey(entries []eventlog.Entry) {
	for i := range entries {
		if cmd := entries[i].Command; cmd != nil {
			d.obeyer.add(cmd)
		}
	}
	d.obeyer.run()
}
