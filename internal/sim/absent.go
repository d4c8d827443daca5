package sim

import (
	"fmt"
	"slices"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// loading is what a worker has read of the rows and not taken back yet: one
// transaction, as of one position.
type loading struct {
	wants []mailbox.Want
	rows  []*mailbox.Rows
	asOf  schemas.Position
}

// evict lets go whoever is away and fully projected.
func (k *worker) evict() bool {
	if k.dead || k.core == nil || k.core.Evict(k.core.Now(), position(k.w.projector.asOf-1), 10) == 0 {
		return false
	}
	k.w.stats.Evicted++
	k.w.say("worker %d lets the user leave memory%s", k.id, k.wantedAt())
	return true
}

// wantedAt says when time alone brings the user back.
func (k *worker) wantedAt() string {
	if at := k.state.Alarm(); at > 0 {
		return fmt.Sprintf(", until %d ms at most", (at-began)/1000)
	}
	return ""
}

// settle: of a user of whom nothing is to be said before an event or a time comes,
// a takeover loads only when that is, as internal/snapshot does.
func (k *worker) settle() {
	u := k.state.Users[userKey]
	rest, quiet := restOf(u)
	if k.next == 0 || !quiet || len(u.Pushes) > k.w.settings.Mailbox {
		return
	}
	s := mailbox.New()
	s.Term = k.state.Term
	s.Settle(userKey, rest, slices.Clone(k.w.projector.stored.recent), position(k.next-1))
	k.state = s
	k.w.say("worker %d loads the user as not in memory", k.id)
}

// restOf the user: when somebody must look at it, and whether nobody need now.
func restOf(u *mailbox.User) (rest mailbox.Rest, quiet bool) {
	quiet = len(u.Closing) == 0
	for i := range u.Devices {
		d := &u.Devices[i]
		quiet = quiet && !d.Connected() && !(d.Live && d.Leaving != 0)
		rest.Away = first(rest.Away, d.Progress)
	}
	for _, x := range u.Waiting {
		rest.Due = first(rest.Due, x.Due)
	}
	for _, p := range u.Pushes {
		rest.Due = first(rest.Due, p.Dead+1)
		if !p.Unreached {
			rest.Since = first(rest.Since, p.Since)
		}
		asks := p.Never != 0 || p.Ask != 0 || p.End != 0 || p.Delivered ||
			slices.ContainsFunc(p.Copies, func(c mailbox.Copy) bool { return c.Acked || c.Tries > 0 })
		quiet = quiet && !asks
	}
	return rest, quiet
}

// first of two times; 0 is none.
func first(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// reload is a step of bringing back who is wanted: the rows are read, or were and
// are taken over.
func (k *worker) reload() bool {
	switch {
	case k.dead || k.core == nil:
		return false
	case k.rows != nil:
		return k.takeBack()
	case !k.core.Wanted():
		return false
	}
	wants := k.core.Wants(10)
	if k.w.noRows && !k.w.calm {
		k.core.Unanswered(wants)
		return false
	}
	k.rows = k.w.projector.read(wants)
	return true
}

// takeBack says whether anybody came back: the rows may be too old.
func (k *worker) takeBack() bool {
	x := k.rows
	k.rows = nil
	if k.w.noRows && !k.w.calm {
		k.core.Unanswered(x.wants)
		return false
	}
	if k.core.Return(x.rows, x.asOf) == 0 {
		return false
	}
	k.w.stats.Returned++
	k.w.say("worker %d has the user back, rows as of %v", k.id, x.asOf)
	k.collect()
	return true
}

// read what the rows have of these users.
func (p *projector) read(wants []mailbox.Want) *loading {
	out := &loading{wants: wants, asOf: position(p.asOf - 1)}
	for _, want := range wants {
		x := &mailbox.Rows{User: p.user(), Recent: slices.Clone(p.stored.recent), Floor: out.asOf + 1}
		if len(x.Recent) > 0 {
			x.Floor = x.Recent[0].Pos
		}
		x.Recent = slices.DeleteFunc(x.Recent, func(r mailbox.Recent) bool { return r.Pos < want.From })
		out.rows = append(out.rows, x)
	}
	return out
}

// absentFrom: whoever is not in memory is wanted in time, or is on the way.
func (c *check) absentFrom(k *worker) {
	if k.rows != nil || k.core.Wanted() || c.state.Users[userKey] == nil {
		return
	}
	alarm := k.state.Alarm()
	for _, p := range c.state.Users[userKey].Pushes {
		if end := p.Dead + c.w.settings.AckTimer.Microseconds() + 1; p.End == 0 && (alarm == 0 || alarm > end) {
			c.w.fail("worker %d has forgotten %v", k.id, p.Pos)
		}
	}
	for _, x := range c.state.Users[userKey].Waiting {
		if alarm == 0 || alarm > x.Due {
			c.w.fail("worker %d has forgotten %v, which waits", k.id, x.Push.Pos)
		}
	}
}
