package delivery

import (
	"testing"

	"waybill/schemas"
)

// TestClockSetBack: gates that live stay usable when the topic's clock jumps back,
// and one that dies afterwards lapses and falls silent as ever.
func TestClockSetBack(t *testing.T) {
	set := Defaults()
	g, lease := newGates(set), set.Lease.Microseconds()
	now, pos := 1000*lease, schemas.Position(0)
	sign := func(gate uint32) {
		pos++
		g.Apply(pos, now, &schemas.Event{Kind: schemas.Kind_KIND_ALIVE, Gate: gate, Incarnation: 1, Alive: &schemas.Alive{}})
	}
	sign(1)
	sign(2)
	one, two := schemas.ConnID{Gate: 1, Incarnation: 1, Number: 1}, schemas.ConnID{Gate: 2, Incarnation: 1, Number: 1}
	now -= 500 * lease
	for i := range 60 {
		now += lease / 3
		sign(1)
		sign(2)
		if !g.Usable(one) || !g.Usable(two) || g.Silent(one) || g.Silent(two) {
			t.Fatalf("at sign %d: usable %v and %v, silent %v and %v", i, g.Usable(one), g.Usable(two), g.Silent(one), g.Silent(two))
		}
	}
	for range 3 * (set.SilentLeases + 1) {
		now += lease / 3
		sign(1)
	}
	if !g.Usable(one) || g.Usable(two) || !g.Silent(two) {
		t.Fatalf("a dead gate: usable %v, silent %v, the other %v", g.Usable(two), g.Silent(two), g.Usable(one))
	}
}
