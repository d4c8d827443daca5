package delivery

import (
	"container/heap"
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// Users who are away leave memory (docs/decisions/0015-users-leave-memory.md).
// Whoever is looked at and has no route goes into a queue, once, and is let go
// from there when it has been left alone for Settings.Idle, nothing of it is under
// way, and the rows have it. What stays in mailbox.State says when it is wanted.

// linger puts a user without a route into the queue of those who may leave.
func (c *Core) linger(u *mailbox.User, w *userWork) {
	if w.lingers {
		w.looked = c.now
		return
	}
	for i := range u.Devices {
		if u.Devices[i].Connected() {
			return
		}
	}
	w.lingers, w.looked, w.queued = true, c.now, c.now
	c.idle = append(c.idle, w)
}

// Evict lets go users who are away, at broker time now: at most so many of the
// queue are looked at. Rows have everything up to asOf. It says how many left.
func (c *Core) Evict(now int64, asOf schemas.Position, most int) (gone int) {
	if !c.active {
		return 0
	}
	until := now - c.set.Idle.Microseconds()
	for n := min(most, len(c.idle)); n > 0; n-- {
		w := c.idle[0]
		if w.queued > until || w.user.Last() > asOf {
			break
		}
		c.idle[0], c.idle = nil, c.idle[1:]
		switch w.lingers = false; {
		case w.looked > until:
			c.linger(w.user, w) // behind the others
		case c.atRest(w.user, w):
			c.evict(w)
			gone++
		}
	}
	return gone
}

// Crowded says that somebody could leave if the rows were newer.
func (c *Core) Crowded(now int64) bool {
	return c.active && len(c.idle) > 0 && c.idle[0].queued <= now-c.set.Idle.Microseconds()
}

// atRest: a worker that forgets the user and takes it back from rows does what
// this one would. Whoever is not is looked at again before it could be.
func (c *Core) atRest(u *mailbox.User, w *userWork) bool {
	if w.marked || w.doubt || w.ahead || len(w.held)+len(u.Closing) > 0 {
		return false
	}
	for i := range u.Devices {
		d := &u.Devices[i]
		if at := c.expires(u, d); d.Connected() || d.Live && d.Leaving != 0 || at > 0 && at <= c.now {
			return false
		}
	}
	return !slices.ContainsFunc(u.Pushes, c.unsettled) &&
		!slices.ContainsFunc(u.Waiting, func(x mailbox.Waiting) bool { return x.Asked == c.term })
}

// unsettled: a decision about the push is under way, or this worker knows better
// than the fold whether it was dispatched.
func (c *Core) unsettled(p *mailbox.Push) bool {
	if p.End == 0 && c.endingWhole(p) != 0 || p.Ending.Unreached == c.term && !p.Unreached {
		return true
	}
	return slices.ContainsFunc(p.Copies, func(cp mailbox.Copy) bool {
		wk := &cp.Work
		return c.ending(&cp) && cp.End == 0 || c.dispatched(p, &cp) != cp.Routed ||
			wk.Term == c.term && !wk.Conn.IsZero() && (wk.Conn != cp.AttemptConn || wk.Attempt != cp.Attempt)
	})
}

func (c *Core) evict(w *userWork) {
	u := w.user
	r := mailbox.Rest{Due: c.due(w), Away: oldestAway(u), Since: oldestSince(u)}
	wake := sooner(r.Due, c.expiryOf(u.App, r.Away))
	if w.place > 0 {
		heap.Remove(&c.timers, w.place-1)
	}
	u.Work = nil
	c.state.Evict(u, r, wake)
}

// oldestAway is Progress of the live session whose device is away longest.
func oldestAway(u *mailbox.User) (at int64) {
	for i := range u.Devices {
		if d := &u.Devices[i]; d.Live && !d.Connected() {
			at = sooner(at, d.Progress)
		}
	}
	return at
}

// oldestSince is Since of the oldest push that might still be said to be
// unreached, under another policy.
func oldestSince(u *mailbox.User) (at int64) {
	for _, p := range u.Pushes {
		if !p.Unreached {
			at = sooner(at, p.Since)
		}
	}
	return at
}

// wake is when an absent user is to be looked at, as its policy is now: perhaps
// too early, never too late.
func (c *Core) wake(app string, r mailbox.Rest) int64 {
	at := sooner(r.Due, c.expiryOf(app, r.Away))
	if after := c.policyOf(c.policies, app).UnreachedAfter.Microseconds(); after > 0 && r.Since > 0 {
		at = sooner(at, r.Since+after)
	}
	return at
}

// expiryOf is when a session expires that has been away since; 0 = never.
func (c *Core) expiryOf(app string, since int64) int64 {
	expiry := c.policyOf(c.policies, app).SessionExpiry.Microseconds()
	if expiry <= 0 || since == 0 {
		return 0
	}
	return since + expiry
}

// rouse has a user looked at, whether it is in memory or not: nil = it is not, or
// nobody knows it.
func (c *Core) rouse(key string) *mailbox.User {
	u := c.state.Users[key]
	if u == nil {
		c.state.Want(key, c.next)
	}
	return u
}

// Wanted says that Wants has somebody.
func (c *Core) Wanted() bool { return c.state.Wanted() }

// Wants hands out at most so many users whose rows are wanted, each once. Answer
// with Return, and with Unanswered for those whose rows could not be read.
func (c *Core) Wants(most int) []mailbox.Want { return c.state.Wants(most) }

// Unanswered takes wants back.
func (c *Core) Unanswered(wants []mailbox.Want) { c.state.Unanswered(wants) }

// Return takes users back from their rows as of a position. It says how many did:
// the others stay wanted, since the rows are too old for them.
func (c *Core) Return(rows []*mailbox.Rows, asOf schemas.Position) (back int) {
	for _, x := range rows {
		if u := c.state.Return(x, asOf, c.dispatchedBefore); u != nil {
			back++
			if c.active {
				c.mark(u)
			}
		}
	}
	return back
}

// keepAhead waits with a user of whom the rows said more than has been read. This
// worker may have been overtaken in between: it must not act on a route, say, that
// began under the next one's term.
func (c *Core) keepAhead(w *userWork) {
	if !w.ahead {
		w.ahead = true
		c.ahead = append(c.ahead, w)
	}
}

// catchUp has those looked at of whom all has been read by now.
func (c *Core) catchUp() {
	c.ahead = slices.DeleteFunc(c.ahead, func(w *userWork) bool {
		if w.user.Last() > c.next {
			return false
		}
		w.ahead = false
		c.mark(w.user).all = true
		return true
	})
}

// dispatchedBefore: what the user was owed when it left memory, and had a route
// for, had been dispatched by this worker.
func (c *Core) dispatchedBefore(u *mailbox.User, asOf schemas.Position) {
	for _, p := range u.Pushes {
		if p.Pos > asOf {
			return
		}
		for i := range p.Copies {
			if cp := &p.Copies[i]; cp.Routed {
				cp.Work = mailbox.Work{Term: c.term, Dispatched: true}
			}
		}
	}
}
