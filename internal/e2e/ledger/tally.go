package ledger

import (
	"fmt"
	"slices"
	"strings"

	"waybill/schemas"
)

// Tally is what the outcomes add up to.
type Tally struct {
	Ends             map[schemas.Class]map[schemas.Reason]int // outcomes as a whole
	Dispatched, Sent int                                      // of those, pushes that reached the step
	Retried          int                                      // of those, on a later attempt than the first
	Attempts         uint32                                   // the most that one needed
	Devices          int                                      // devices that have an outcome, push by push
}

// Classes of outcomes, in the order in which a table has them.
func Classes() []schemas.Class {
	return []schemas.Class{
		schemas.Class_CLASS_DELIVERED, schemas.Class_CLASS_WITHDRAWN, schemas.Class_CLASS_LOST, schemas.Class_CLASS_UNCONFIRMED,
	}
}

// Tally adds everything up, as it is now.
func (l *Ledger) Tally() Tally {
	t := Tally{Ends: make(map[schemas.Class]map[schemas.Reason]int)}
	for _, x := range l.Pushes {
		t.Devices += len(x.Devices)
		for _, end := range x.Whole {
			t.add(end)
		}
	}
	return t
}

func (t *Tally) add(end Ending) {
	if t.Ends[end.Class] == nil {
		t.Ends[end.Class] = make(map[schemas.Reason]int)
	}
	t.Ends[end.Class][end.Reason]++
	if end.Dispatched {
		t.Dispatched++
	}
	if end.Sent {
		t.Sent++
	}
	if end.Attempt > 1 {
		t.Retried++
	}
	t.Attempts = max(t.Attempts, end.Attempt)
}

// Of a class there are so many outcomes as a whole.
func (t *Tally) Of(class schemas.Class) (n int) {
	for _, k := range t.Ends[class] {
		n += k
	}
	return n
}

// Reasons of a class, for people.
func (t *Tally) Reasons(class schemas.Class) string {
	var all []string
	for reason, n := range t.Ends[class] {
		all = append(all, fmt.Sprintf("%s %d", reason.Word(), n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
