package e2e

import (
	"fmt"
	"slices"
	"strings"

	"waybill/schemas"
)

// classes of outcomes, in the order of the ledger's table.
var classes = []schemas.Class{
	schemas.Class_CLASS_DELIVERED, schemas.Class_CLASS_WITHDRAWN, schemas.Class_CLASS_LOST, schemas.Class_CLASS_UNCONFIRMED,
}

// tally is what the ledger and the phones add up to.
type tally struct {
	classes                   map[schemas.Class]int
	why                       map[schemas.Class]map[schemas.Reason]int
	dispatched, sent          int // pushes as a whole that reached the step
	devices, retried          int
	attempts                  uint32
	handed, handedEach, again int
	connects, cuts, mutes     int
}

func (s *storm) tally(l *ledger) tally {
	c := tally{classes: make(map[schemas.Class]int), why: make(map[schemas.Class]map[schemas.Reason]int)}
	for _, x := range l.pushes {
		c.whole(x)
		c.devices += len(x.devices)
	}
	handed := make(map[place]bool)
	for _, p := range s.phones {
		c.phone(p)
		for _, push := range p.got() {
			handed[place{p.user, push.Position}] = true
		}
	}
	c.handed = len(handed)
	return c
}

func (c *tally) whole(x *entry) {
	for _, end := range x.whole {
		c.classes[end.class]++
		if c.why[end.class] == nil {
			c.why[end.class] = make(map[schemas.Reason]int)
		}
		c.why[end.class][end.reason]++
		if end.dispatched {
			c.dispatched++
		}
		if end.sent {
			c.sent++
		}
		if end.attempt > 1 {
			c.retried++
		}
		c.attempts = max(c.attempts, end.attempt)
	}
}

func (c *tally) phone(p *phone) {
	got := p.got()
	c.handedEach += len(got)
	for _, push := range got {
		if push.Again {
			c.again++
		}
	}
	c.connects += p.times()
	cuts, mutes := p.troubles()
	c.cuts += cuts
	c.mutes += mutes
}

func (c *tally) reasons(class schemas.Class) string {
	var all []string
	for reason, n := range c.why[class] {
		all = append(all, fmt.Sprintf("%s %d", reason.Word(), n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func delivered(ends []ending) bool   { return has(ends, schemas.Class_CLASS_DELIVERED) }
func unconfirmed(ends []ending) bool { return has(ends, schemas.Class_CLASS_UNCONFIRMED) }

func has(ends []ending, class schemas.Class) bool {
	return slices.ContainsFunc(ends, func(e ending) bool { return e.class == class })
}
