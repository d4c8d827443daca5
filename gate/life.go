package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// life appends the gate's signs of life to waybill.gates.
type life struct {
	gate     *Gate
	appender *eventlog.Appender
	now      chan struct{} // from speak to alive; one place, never closed
}

// newLife opens an appender of its own: signs of life must not wait behind facts.
func newLife(g *Gate) (*life, error) {
	a, err := g.cfg.Log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		return nil, fmt.Errorf("open the gate's appender: %w", err)
	}
	return &life{g, a, make(chan struct{}, 1)}, nil
}

// record is one event about the gate. Its key is the gate's number, so that the
// compacted topic keeps the newest of each gate.
func (l *life) record(e *schemas.Event) eventlog.Record {
	g := l.gate
	e.Gate, e.Incarnation, e.Time = g.cfg.Number, g.incarnation.Load(), g.now().UnixMicro()
	return eventlog.Record{
		Topic: eventlog.GatesTopic, Partition: eventlog.ByKey,
		Key: []byte(strconv.FormatUint(uint64(g.cfg.Number), 10)), Value: encode(e), Urgent: true,
	}
}

// started begins a new incarnation: the position of its record. It waits for
// the log as long as ctx lasts.
func (l *life) started(ctx context.Context) error {
	for {
		at, err := l.appender.AppendWait(ctx, l.record(&schemas.Event{
			Kind:    schemas.Kind_KIND_STARTED,
			Started: &schemas.Started{Address: l.gate.Advertised(), Lease: l.gate.cfg.Lease.Milliseconds(), Control: l.gate.controlRead.Load()},
		}))
		switch {
		case err == nil && at.Position != 0:
			l.gate.incarnation.Store(uint64(at.Position))
			return nil
		case err == nil: // its place is forgotten: a second one has a place
		case errors.Is(err, eventlog.ErrBusy) && rest(ctx, retryEvery):
		default:
			return fmt.Errorf("append started: %w", err)
		}
	}
}

// alive renews the lease three times within it. While the log is away nothing
// is renewed: the one that waits is the next sign of life.
func (l *life) alive(ctx context.Context) {
	t := time.NewTicker(l.gate.cfg.Lease / 3)
	defer t.Stop()
	away := false
	for {
		select {
		case <-t.C:
		case <-l.now:
		case <-ctx.Done():
			return
		}
		_, err := l.appender.AppendWait(ctx, l.record(&schemas.Event{
			Kind: schemas.Kind_KIND_ALIVE,
			Alive: &schemas.Alive{
				Address: l.address(), Lease: l.gate.cfg.Lease.Milliseconds(), Connections: uint64(l.gate.table.len()),
				Control: l.gate.controlRead.Load(),
			},
		}))
		if failed := err != nil && ctx.Err() == nil; failed != away {
			away = failed
			l.gate.cfg.Logger.Warn("the gate's lease: renewing changed", "renewed", !away, "err", err)
		}
	}
}

// address is none once the gate is being drained: nobody is to be sent there.
func (l *life) address() string {
	if l.gate.draining.Load() {
		return ""
	}
	return l.gate.Advertised()
}

// speak asks for a sign of life now.
func (l *life) speak() {
	select {
	case l.now <- struct{}{}:
	default: // it has been asked for and not been given
	}
}

// stopped says goodbye, if the log takes it in time: otherwise the lease lapses.
func (l *life) stopped(ctx context.Context) error {
	_, err := l.appender.AppendWait(ctx, l.record(&schemas.Event{
		Kind: schemas.Kind_KIND_STOPPED, Stopped: &schemas.Stopped{Reason: schemas.Reason_REASON_GATE_STOPPING},
	}))
	if err != nil {
		return fmt.Errorf("append stopped: %w", err)
	}
	return nil
}
