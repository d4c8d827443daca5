package crash

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

var (
	collapsed = ledger.Ending{Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_COLLAPSED}
	elsewhere = ledger.Ending{Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_DELIVERED_ELSEWHERE}
)

// withdraw lets the push end so, and nobody have it.
func (x *theirs) withdraw(end ledger.Ending) {
	x.push.Whole[0], x.push.Devices, x.phone.notes = end, nil, nil
}

// replaced gives the push a collapse key, which one behind it has too.
func (x *theirs) replaced(position uint64, whole ledger.Ending) {
	x.withdraw(collapsed)
	x.push.Collapse, x.office.Collapse = "price", "price"
	p := x.add(position)
	p.Collapse, p.Whole[0], p.Devices = "price", whole, nil
}

// cancelAt puts a cancel of the push into the log, which the office accepted.
func (x *theirs) cancelAt(position uint64) {
	asking := ledger.Asking{User: "anna", ID: x.push.ID}
	x.ledger.Cancels[asking] = append(x.ledger.Cancels[asking], position)
	x.takenBack = &withdrawal{push: &x.office, done: time.Unix(3, 0)}
}

// TestOptionsAreJudged spoils what a caller asked for.
func TestOptionsAreJudged(t *testing.T) {
	unseen := func(x *theirs) { x.phone.early = false }
	for name, c := range map[string]struct {
		spoil func(*theirs)
		want  []string
	}{
		"canceled":                    {func(x *theirs) { x.withdraw(canceled); x.cancelAt(9) }, nil},
		"canceled by nobody":          {func(x *theirs) { x.withdraw(canceled) }, []string{"withdrawn"}},
		"canceled and handed":         {func(x *theirs) { x.push.Whole[0] = canceled; x.cancelAt(9) }, []string{"handed and not delivered"}},
		"the cancel came late":        {func(x *theirs) { x.cancelAt(9) }, nil},
		"the cancel came first":       {func(x *theirs) { x.withdraw(canceled); x.cancelAt(5) }, nil},
		"canceled first, delivered":   {func(x *theirs) { x.cancelAt(5) }, []string{"canceled and not withdrawn"}},
		"a cancel is lost":            {func(x *theirs) { x.cancelAt(5); clear(x.ledger.Cancels) }, []string{"accepted and lost"}},
		"a cancel that nobody wanted": {func(x *theirs) { x.cancelAt(9); x.takenBack = nil }, []string{"canceled by nobody"}},
		"a cancel out of order": {func(x *theirs) {
			x.cancelAt(9)
			x.takenBack.done = x.office.tries[0].made.Add(-1)
		}, []string{"calls out of order"}},
		"collapsed, and no newer one": {func(x *theirs) { x.withdraw(collapsed) }, []string{"withdrawn"}},
		"collapsed by an older one":   {func(x *theirs) { x.replaced(5, duplicate) }, []string{"withdrawn"}},
		"collapsed by a repeat":       {func(x *theirs) { x.replaced(9, duplicate) }, []string{"withdrawn"}},
		"not for the first": {func(x *theirs) { x.elsewhere(); x.push.Devices["phone"] = []ledger.Ending{elsewhere} },
			[]string{"withdrawn", "owed to a device"}},
		"another was the first": {func(x *theirs) {
			x.elsewhere()
			x.push.FirstWins, x.office.FirstWins = true, true
			x.push.Devices["phone"] = []ledger.Ending{elsewhere}
		}, nil},
		"first wins is forgotten": {func(x *theirs) { x.office.FirstWins = true }, []string{"pushed as another"}},
		"handed before its time":  {func(x *theirs) { x.later(time.Hour); x.push.Due = x.push.At }, []string{"too early"}},
		"released before its time": {func(x *theirs) { x.later(time.Hour); x.phone.notes = nil; x.withdraw(canceled); x.cancelAt(9) },
			[]string{"too early"}},
		"at its time":             {func(x *theirs) { x.later(-time.Hour); x.push.Due = x.push.At }, nil},
		"at another time":         {func(x *theirs) { x.later(-time.Hour); x.push.Due = x.push.At; x.push.At-- }, []string{"pushed as another"}},
		"kicked, and may be many": {func(x *theirs) { unseen(x); x.ledger.Kicks["anna"] = 1 }, []string{"kicked"}},
		"replaced, never kicked":  {func(x *theirs) { unseen(x); x.phone.replaced = true }, []string{"kicked"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := wentWell(t)
			c.spoil(x)
			a := &audit{ledger: x.ledger, pushes: []push{x.office}, phones: append(x.others, x.phone)}
			if x.takenBack != nil {
				a.withdrawals = []*withdrawal{x.takenBack}
			}
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

// later gives the push a time, from now.
func (x *theirs) later(in time.Duration) {
	x.office.at = time.Now().Add(in)
	x.push.At = x.office.at.UnixMicro()
}

// TestCollapsed: a newer push of the key may end one that nobody was sent.
func TestCollapsed(t *testing.T) {
	x := wentWell(t)
	x.replaced(9, acked)
	a := &audit{ledger: x.ledger}
	a.findNewer()
	if a.outcomes(ledger.Place{User: "anna", Position: 7}, x.push); len(a.found) != 0 || a.did.collapsed != 1 {
		t.Errorf("found %v, and %d collapsed", a.found, a.did.collapsed)
	}
}

// TestLacks: what hardly ever happens shows nothing.
func TestLacks(t *testing.T) {
	enough := options{fewestOf, fewestOf, fewestOf, fewestOf, fewestOf}
	if all := enough.lacks(); len(all) != 0 {
		t.Error(all)
	}
	enough.canceled--
	if all := enough.lacks(); len(all) != 1 {
		t.Error(all)
	}
}
