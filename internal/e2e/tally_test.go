package e2e

import "waybill/internal/e2e/ledger"

// tally is what the phones add up to.
type tally struct {
	handed, handedEach, again int // pushes on any phone, and on each of them
	connects, cuts, mutes     int
}

func (s *storm) tally() tally {
	var c tally
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

func (c *tally) phone(p *phone) {
	got := p.got()
	c.handedEach += len(got)
	for _, push := range got {
		if push.Again {
			c.again++
		}
	}
	c.connects += p.Homes()
	cuts, mutes := p.Count()
	c.cuts += cuts
	c.mutes += mutes
}
