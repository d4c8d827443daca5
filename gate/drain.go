package gate

import (
	"context"
	"errors"
	"time"

	"waybill/schemas"
)

// drainEvery is how often a drain acts, and looks whether it is over.
const drainEvery = 20 * time.Millisecond

// handOver sends the devices of a gate that is to stop to other gates, at
// Config.DrainRate, until nobody is left or Config.DrainTime is over. Without
// another gate it does nothing: drain closes them all at once. It fails with
// [ErrReplaced] when there is no more to hand over.
func (g *Gate) handOver(life *life) error {
	if g.cfg.DrainTime == 0 {
		return nil
	}
	g.draining.Store(true)
	life.speak()
	g.awaitOwnWord()
	if len(g.peers.others()) == 0 {
		return nil
	}
	g.cfg.Logger.Info("gate hands its devices over", "connections", g.table.len(), "rate", g.cfg.DrainRate, "at_most", g.cfg.DrainTime)
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.DrainTime)
	defer cancel()
	h := handover{gate: g}
	for h.step() && rest(ctx, drainEvery) {
		if g.peers.replaced(g.incarnation.Load()) {
			return ErrReplaced
		}
	}
	g.cfg.Logger.Info("gate has handed its devices over", "redirected", g.metrics.redirects.Load(), "left", g.wheel.len())
	return nil
}

// hearWithin is how long a gate waits for its own word that it drains.
const hearWithin = 2 * time.Second

// awaitOwnWord waits until the gate has read that word, and with it who else is
// there, a gate that has only just started too. The log may be away.
func (g *Gate) awaitOwnWord() {
	t := time.NewTimer(hearWithin)
	defer t.Stop()
	select {
	case <-g.peers.last:
	case <-t.C:
	}
}

// handover redirects so many devices a second and no more: they resume on gates
// that have others to serve.
type handover struct {
	gate   *Gate
	budget float64 // redirects that are due
	left   []*conn // of the last look at all
}

// step does what drainEvery allows, and says whether anybody is left.
func (h *handover) step() bool {
	h.budget += float64(h.gate.cfg.DrainRate) * drainEvery.Seconds()
	if len(h.left) == 0 {
		h.left = h.gate.wheel.all()
	}
	for h.budget >= 1 && len(h.left) > 0 {
		last := len(h.left) - 1
		c := h.left[last]
		h.left[last], h.left = nil, h.left[:last]
		if c.handOver() {
			h.budget--
		}
	}
	h.budget = min(h.budget, 1) // what was not needed is not owed
	return h.gate.wheel.len() > 0
}

// handOver redirects the connection, unless it is about to be answered or ends
// already.
func (c *conn) handOver() bool {
	c.lock()
	defer c.unlock()
	if c.state == stateEntering || c.state >= stateClosing {
		return false
	}
	c.redirect()
	return true
}

// redirect sends the device to the least loaded other gate, where there is one.
func (c *conn) redirect() {
	to, ok := c.gate.peers.take()
	if !ok {
		c.close(schemas.Reason_REASON_GATE_STOPPING, "")
		return
	}
	c.gate.metrics.redirects.Add(1)
	c.bid(farewell{reason: schemas.Reason_REASON_GATE_STOPPING, detail: "redirected to " + to, address: to, redirect: true})
}

// drain closes every connection and waits until their ends are in the log,
// Config.Drain at most.
func (g *Gate) drain(cause error, life *life) error {
	reason := schemas.Reason_REASON_GATE_STOPPING
	if errors.Is(cause, ErrReplaced) {
		reason = schemas.Reason_REASON_GATE_REPLACED
	}
	g.cfg.Logger.Info("gate stopping", "reason", reason.Word(), "connections", g.table.len(), "err", cause)
	ctx, cancel := context.WithTimeout(context.Background(), g.cfg.Drain)
	defer cancel()
	for {
		for _, c := range g.wheel.all() {
			c.shutdown(reason)
		}
		if g.idle() || !rest(ctx, drainEvery) {
			break
		}
		g.owing.retry()
	}
	if cause != nil {
		return cause
	}
	if err := life.stopped(ctx); err != nil {
		g.cfg.Logger.Warn("the gate stops without saying so", "err", err)
	}
	return nil
}

// idle says that no connection is open and none owes an end.
func (g *Gate) idle() bool {
	return g.wheel.len() == 0 && g.ends.Load() == 0 && g.owing.len() == 0
}
