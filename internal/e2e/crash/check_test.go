package crash

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// theirs is what three parties noted of one push that went well, for a test to
// spoil.
type theirs struct {
	ledger *ledger.Ledger
	push   *ledger.Push
	office push
	phone  *phone
}

var (
	acked     = ledger.Ending{Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Attempt: 1}
	expired   = ledger.Ending{Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_EXPIRED}
	poisoned  = ledger.Ending{Class: schemas.Class_CLASS_UNCONFIRMED, Reason: schemas.Reason_REASON_POISON}
	duplicate = ledger.Ending{Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_DUPLICATE}
)

func wentWell(t *testing.T) *theirs {
	t.Helper()
	x := &theirs{
		ledger: ledger.New(), office: push{User: "anna", Name: "office-1", Number: 1, accepted: time.Unix(1, 0)},
		phone: &phone{Device: ledger.Device{User: "anna", Device: "phone"}, handled: make(map[int]uint64)},
	}
	x.push = x.add(7)
	x.hand(t, 7, "1")
	return x
}

// add a push of the same name, delivered, to the ledger.
func (x *theirs) add(position uint64) *ledger.Push {
	at := ledger.Place{User: "anna", Position: position}
	p := &ledger.Push{
		Asked: ledger.Asked{Name: "office-1", TTL: 3_600_000}, Pushed: 1,
		Whole: []ledger.Ending{acked}, Devices: map[string][]ledger.Ending{"phone": {acked}},
	}
	x.ledger.Pushes[at] = p
	x.ledger.Order = append(x.ledger.Order, at)
	return p
}

func TestAudit(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*theirs)
		want  []string
	}{
		"all is well":            {func(*theirs) {}, nil},
		"no outcome":             {func(x *theirs) { x.push.Whole = nil }, []string{"outcomes as a whole", "handed and not delivered"}},
		"two outcomes":           {func(x *theirs) { x.push.Whole = append(x.push.Whole, acked) }, []string{"outcomes as a whole"}},
		"two for a device":       {func(x *theirs) { x.push.Devices["phone"] = []ledger.Ending{acked, acked} }, []string{"outcomes for a device"}},
		"ended early":            {func(x *theirs) { x.push.Whole[0] = expired }, []string{"ended early", "handed and not delivered"}},
		"nothing is poison":      {func(x *theirs) { x.push.Whole[0], x.push.Devices["phone"][0] = poisoned, poisoned }, []string{"ended early"}},
		"outcome of nothing":     {func(x *theirs) { x.push.Pushed = 0 }, []string{"no push"}},
		"accepted, not there":    {func(x *theirs) { x.office.Name = "office-2" }, []string{"accepted and lost"}},
		"not accepted":           {func(x *theirs) { x.office.Name, x.office.accepted = "office-2", time.Time{} }, nil},
		"pushed twice":           {func(x *theirs) { x.add(9); x.hand(t, 9, "2") }, []string{"pushed twice"}},
		"a repeat was withdrawn": {func(x *theirs) { p := x.add(9); p.Whole[0], p.Devices = duplicate, nil }, nil},
		"handed, never pushed":   {func(x *theirs) { x.hand(t, 9, "2") }, []string{"handed and not pushed"}},
		"handed, then lost":      {func(x *theirs) { x.push.Devices["phone"] = nil }, []string{"handed and not delivered"}},
		"delivered, not handed":  {func(x *theirs) { x.phone.notes = nil }, []string{"delivered and not handed", "delivered and not handed"}},
		"a repeat was handed":    {func(x *theirs) { x.add(9).Whole[0] = duplicate; x.hand(t, 9, "2") }, []string{"handed and not delivered"}},
		"seen twice":             {func(x *theirs) { x.add(9).Name = "office-3"; x.hand(t, 9, "1") }, []string{"seen twice"}},
		"out of order":           {func(x *theirs) { x.add(5).Name = "office-3"; x.hand(t, 5, "2") }, []string{"out of order"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := wentWell(t)
			c.spoil(x)
			a := &audit{ledger: x.ledger, pushes: []push{x.office}, phones: []*phone{x.phone}}
			var got []string
			for _, v := range a.check() {
				got = append(got, v.what)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("found (-want +got):\n%s", d)
			}
		})
	}
}

// TestBooksAgree: what was read through all faults and what is read afterwards.
func TestBooksAgree(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*theirs)
		want  int
	}{
		"the same":          {func(*theirs) {}, 0},
		"a push is missing": {func(x *theirs) { x.add(9) }, 2},
		"an outcome twice":  {func(x *theirs) { x.push.Whole = append(x.push.Whole, acked) }, 1},
	} {
		kept, again := wentWell(t), wentWell(t)
		c.spoil(again)
		var r Result
		r.compare(kept.ledger, again.ledger)
		if len(r.Violations) != c.want {
			t.Errorf("%s: found %v, want %d", name, r.Violations, c.want)
		}
	}
}
