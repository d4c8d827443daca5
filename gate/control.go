package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"waybill/internal/control"
	"waybill/schemas"
)

// Control is the view of the control topic. A gate lets in by it and closes by
// it; what it has read of it, it says in its signs of life.
type Control interface {
	// ClusterKeys are the published keys, the newest first, and the position in
	// the topic up to which that is all. The channel is closed when they may be
	// others.
	ClusterKeys() (now []control.ClusterKey, asOf schemas.Position, changed <-chan struct{})
	// Revocations in force, and a channel that is closed when they may be others.
	Revocations() (now []control.Revocation, changed <-chan struct{})
	// Revoked is what says that a session may not go on, if anything does. began
	// is when it did, in microseconds.
	Revoked(app, user, device string, session schemas.ID, began int64) (by control.Revocation, revoked bool)
	// Behind is how long ago the view was surely complete.
	Behind() time.Duration
}

// alone is the Control of a gate without a control topic: it seals with the
// configured key, and nobody is revoked.
type alone struct{}

func (alone) ClusterKeys() ([]control.ClusterKey, schemas.Position, <-chan struct{}) {
	return nil, 0, nil
}
func (alone) Revocations() ([]control.Revocation, <-chan struct{}) { return nil, nil }
func (alone) Behind() time.Duration                                { return 0 }
func (alone) Revoked(_, _, _ string, _ schemas.ID, _ int64) (by control.Revocation, revoked bool) {
	return by, false
}

const (
	// staleAfter is how old a gate's view may be while it takes logins: some
	// questions for the topic's end, which is asked once a second.
	staleAfter = 5 * time.Second
	// lookEvery is how often a change of the view's standing is looked for.
	lookEvery = time.Second
	// sweepEvery bounds how often all connections are looked at for revocations:
	// a million of them take 0.2 s (BenchmarkSweep), and a second is promised.
	sweepEvery = 500 * time.Millisecond
)

// stale is why nobody may log in now: what the gate knows of keys and
// revocations is too old. Who is connected stays so.
func (g *Gate) stale() *refusal {
	late := g.cfg.Control.Behind()
	if late <= staleAfter {
		return nil
	}
	return &refusal{
		reason: schemas.Reason_REASON_BUSY,
		detail: fmt.Sprintf("What this gate knows of apps, keys and revocations may be out of date: at most %s are allowed; try again later.", staleAfter),
	}
}

// readControl takes what the view has: only then the gate says that it has read it.
func (g *Gate) readControl() (changed <-chan struct{}) {
	keys, asOf, changed := g.cfg.Control.ClusterKeys()
	g.tickets.take(keys, g.cfg.Logger)
	g.controlRead.Store(uint64(asOf))
	return changed
}

// followControl takes over what changes, and closes whoever is revoked.
func (g *Gate) followControl(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var standing standing
	var swept []control.Revocation
	for {
		changed := g.readControl()
		if now, _ := g.cfg.Control.Revocations(); !slices.Equal(now, swept) {
			swept = now
			g.closeRevoked()
		}
		if !rest(ctx, sweepEvery) {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-changed:
				waiting = false
			case <-look.C:
				standing.look(g)
			case <-ctx.Done():
				return
			}
		}
	}
}

// standing is what was logged last.
type standing struct {
	stale bool
	key   uint32
}

// look logs what has changed.
func (s *standing) look(g *Gate) {
	if stale := g.stale() != nil; stale != s.stale {
		s.stale = stale
		g.cfg.Logger.Warn("the gate's view of the control topic changed", "takes_logins", !stale, "behind", g.cfg.Control.Behind())
	}
	if key := g.sealsWith(); key != s.key {
		s.key = key
		g.cfg.Logger.Info("tickets are sealed with another cluster key", "key", key)
	}
}

// sealsWith is the id of the key that seals now; 0 = the configured one.
func (g *Gate) sealsWith() uint32 {
	if k := g.tickets.current(); k != nil {
		return k.ID
	}
	return 0
}

// closeRevoked looks at every connection in the table. One that logs in meanwhile has looked
// itself, at the same view.
func (g *Gate) closeRevoked() {
	for _, c := range g.table.all() {
		if no := c.revoked(); no != nil {
			c.endRevoked(no)
		}
	}
}

// revoked says that the connection's session may not go on.
func (c *conn) revoked() *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateEntering && c.state != stateLive {
		return nil
	}
	return c.gate.revoked(c.who, c.session, c.began)
}

// endRevoked closes it, or refuses it while its login is on the way.
func (c *conn) endRevoked(no *refusal) {
	c.lock()
	defer c.unlock()
	if c.state == stateEntering {
		c.refuseLogin(no)
		return
	}
	c.close(no.reason, no.detail)
}

// revoked is why a session may not go on; nil if it may.
func (g *Gate) revoked(who identity, session schemas.ID, began int64) *refusal {
	by, revoked := g.cfg.Control.Revoked(who.app, who.user, who.device, session, began)
	if !revoked {
		return nil
	}
	is := who // of its own: most are asked about in vain
	return &refusal{reason: by.Reason, detail: by.Reason.Explain(), who: &is}
}

// begins is the time of a session that begins now. A login that comes after a
// revocation was read begins after it, whatever this gate's clock says.
func (g *Gate) begins(who identity, session schemas.ID, now time.Time) int64 {
	at := now.UnixMicro()
	for {
		by, revoked := g.cfg.Control.Revoked(who.app, who.user, who.device, session, at)
		if !revoked {
			return at
		}
		at = by.Before
	}
}
