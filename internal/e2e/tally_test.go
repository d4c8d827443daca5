package e2e

import (
	"fmt"
	"slices"
	"strings"

	"waybill/internal/e2e/ledger"
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

func (s *storm) tally(l *ledger.Ledger) tally {
	c := tally{classes: make(map[schemas.Class]int), why: make(map[schemas.Class]map[schemas.Reason]int)}
	for _, x := range l.Pushes {
		c.whole(x)
		c.devices += len(x.Devices)
	}
	handed := make(map[ledger.Place]bool)
	for _, p := range s.phones {
		c.phone(p)
		for _, push := range p.got() {
			handed[ledger.Place{User: p.user, Position: push.Position}] = true
		}
	}
	c.handed = len(handed)
	return c
}

func (c *tally) whole(x *ledger.Push) {
	for _, end := range x.Whole {
		c.classes[end.Class]++
		if c.why[end.Class] == nil {
			c.why[end.Class] = make(map[schemas.Reason]int)
		}
		c.why[end.Class][end.Reason]++
		if end.Dispatched {
			c.dispatched++
		}
		if end.Sent {
			c.sent++
		}
		if end.Attempt > 1 {
			c.retried++
		}
		c.attempts = max(c.attempts, end.Attempt)
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
	cuts, mutes := p.Count()
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
