package crash

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// theirs is what three parties noted of one push that went well, for a test to
// spoil.
type theirs struct {
	ledger    *ledger.Ledger
	push      *ledger.Push
	office    push
	phone     *phone
	others    []*phone
	takenBack *withdrawal
}

var (
	acked     = ledger.Ending{Class: schemas.Class_CLASS_DELIVERED, Reason: schemas.Reason_REASON_ACKED, Attempt: 1}
	expired   = ledger.Ending{Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_EXPIRED}
	poisoned  = ledger.Ending{Class: schemas.Class_CLASS_UNCONFIRMED, Reason: schemas.Reason_REASON_POISON}
	unacked   = ledger.Ending{Class: schemas.Class_CLASS_UNCONFIRMED, Reason: schemas.Reason_REASON_SENT_UNACKED}
	nobody    = ledger.Ending{Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_NEVER_CONNECTED}
	overflow  = ledger.Ending{Class: schemas.Class_CLASS_LOST, Reason: schemas.Reason_REASON_OVERFLOW}
	canceled  = ledger.Ending{Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_CANCELED}
	duplicate = ledger.Ending{Class: schemas.Class_CLASS_WITHDRAWN, Reason: schemas.Reason_REASON_DUPLICATE}
)

func wentWell(t *testing.T) *theirs {
	t.Helper()
	x := &theirs{
		ledger: ledger.New(), office: push{
			app: "freight", request: request{User: "anna", Family: 7, JSON: json.RawMessage("1"), TTL: 3600, Label: "order", Name: "office-1"},
			tries: []try{{call: 1, made: time.Unix(1, 0), answered: time.Unix(2, 0), status: statusAccepted, trace: schemas.ID{1}}},
		},
		phone: &phone{early: true, Device: ledger.Device{User: "anna", Device: "phone"}, handled: make(map[int]uint64)},
	}
	x.push = x.add(7)
	x.hand(t, 7)
	return x
}

// add the push to the ledger, as delivered; the first one is the try that was
// accepted, later ones are tries that nobody knows.
func (x *theirs) add(position uint64) *ledger.Push {
	at := ledger.Place{User: "anna", Position: position}
	p := &ledger.Push{
		Asked: ledger.Asked{App: "freight", Name: "office-1", Family: 7, TTL: 3_600_000, Label: "order", Body: "1"},
		ID:    schemas.NamedID("freight", "anna", "office-1"), Trace: schemas.ID{byte(1 + len(x.ledger.Order))}, Pushed: 1, Due: 1,
		Whole: []ledger.Ending{acked}, Devices: map[string][]ledger.Ending{"phone": {acked}},
	}
	x.ledger.Pushes[at] = p
	x.ledger.Order = append(x.ledger.Order, at)
	return p
}

// forget what the ledger has there.
func (x *theirs) forget(position uint64) {
	at := ledger.Place{User: "anna", Position: position}
	delete(x.ledger.Pushes, at)
	x.ledger.Order = slices.DeleteFunc(x.ledger.Order, func(other ledger.Place) bool { return other == at })
}

// elsewhere lets the user's other device have the push, and the phone nothing.
func (x *theirs) elsewhere() {
	tablet := &phone{Device: ledger.Device{User: "anna", Device: "tablet"}, notes: x.phone.notes}
	x.phone.notes, x.others = nil, append(x.others, tablet)
	x.push.Devices = map[string][]ledger.Ending{"tablet": {acked}}
}

// short makes it a push with five seconds that nobody was handed, and that ended
// then and so.
func (x *theirs) short(end ledger.Ending, at int64) {
	end.Time = at
	x.push.TTL, x.office.TTL, x.phone.notes = 5000, 5, nil
	x.push.Whole[0], x.push.Devices["phone"][0] = end, end
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
		"short, in its time":     {func(x *theirs) { x.short(expired, 5_000_001) }, nil},
		"short, unconfirmed":     {func(x *theirs) { x.short(unacked, 5_000_001) }, nil},
		"short, nobody":          {func(x *theirs) { x.short(nobody, 5_000_001) }, nil},
		"short, a repeat":        {func(x *theirs) { x.short(duplicate, 2) }, []string{"accepted and lost"}},
		"short, too early":       {func(x *theirs) { x.short(expired, 5_000_000) }, []string{"ended early", "ended early"}},
		"short, given up early":  {func(x *theirs) { x.short(unacked, 2) }, []string{"ended early", "ended early"}},
		"short, by no ttl":       {func(x *theirs) { x.short(overflow, 5_000_001) }, []string{"ended by no ttl", "ended by no ttl"}},
		"short, canceled":        {func(x *theirs) { x.short(canceled, 5_000_001) }, []string{"withdrawn", "withdrawn"}},
		"short, poison":          {func(x *theirs) { x.short(poisoned, 5_000_001) }, []string{"ended by no ttl", "ended by no ttl"}},
		"outcome of nothing":     {func(x *theirs) { x.push.Pushed = 0 }, []string{"no push"}},
		"accepted, not there":    {func(x *theirs) { x.forget(7) }, []string{"accepted and lost", "handed and not pushed"}},
		"another try's":          {func(x *theirs) { x.push.Trace = schemas.ID{9} }, []string{"accepted and lost", "handed as another"}},
		"one try, two records":   {func(x *theirs) { p := x.add(9); p.Trace, p.Whole[0], p.Devices = schemas.ID{1}, duplicate, nil }, []string{"logged twice"}},
		"not accepted":           {func(x *theirs) { x.office.tries[0].status = "" }, nil},
		"refused, and there":     {func(x *theirs) { x.office.tries[0].status = statusBusy }, []string{"refused and logged"}},
		"pushed twice":           {func(x *theirs) { x.add(9).Devices = nil }, []string{"pushed twice", "owed to a device", "delivered and not handed"}},
		"a repeat was withdrawn": {func(x *theirs) { p := x.add(9); p.Whole[0], p.Devices = duplicate, nil }, nil},
		"handed, never pushed":   {func(x *theirs) { x.add(9); x.phone.handled = make(map[int]uint64); x.hand(t, 9); x.forget(9) }, []string{"handed and not pushed"}},
		"handed, then lost":      {func(x *theirs) { x.push.Devices["phone"] = nil }, []string{"handed and not delivered", "owed to a device"}},
		"another device alone":   {func(x *theirs) { x.elsewhere() }, []string{"owed to a device"}},
		"lost for this device":   {func(x *theirs) { x.elsewhere(); x.push.Devices["phone"] = []ledger.Ending{expired} }, []string{"owed to a device"}},
		"it came after the push": {func(x *theirs) { x.elsewhere(); x.phone.early = false }, nil},
		"unconfirmed here": {func(x *theirs) {
			x.push.Devices["phone"][0] = poisoned
			x.push.Devices["tablet"] = []ledger.Ending{acked}
		}, nil},
		"delivered, not handed": {func(x *theirs) { x.phone.notes = nil }, []string{"delivered and not handed", "delivered and not handed"}},
		"a repeat was handed":   {func(x *theirs) { x.add(9).Whole[0] = duplicate; x.hand(t, 9) }, []string{"seen twice", "handed and not delivered"}},
		"out of order":          {func(x *theirs) { x.add(5).Whole[0] = duplicate; x.phone.handled = make(map[int]uint64); x.hand(t, 5) }, []string{"out of order", "handed and not delivered"}},
		"nobody's name":         {func(x *theirs) { x.push.Name = "" }, []string{"pushed by nobody", "accepted and lost"}},
		"another user's":        {func(x *theirs) { x.office.User = "bob" }, []string{"pushed as another", "accepted and lost"}},
		"another app":           {func(x *theirs) { x.push.App = "post" }, []string{"pushed as another"}},
		"another ttl":           {func(x *theirs) { x.push.TTL++ }, []string{"pushed as another"}},
		"another label":         {func(x *theirs) { x.push.Label = "" }, []string{"pushed as another"}},
		"another command":       {func(x *theirs) { x.push.Command = 2 }, []string{"pushed as another", "handed as another"}},
		"another body":          {func(x *theirs) { x.push.Body = "1 " }, []string{"pushed as another", "handed as another"}},
		"another push id":       {func(x *theirs) { x.push.ID[0]++ }, []string{"pushed as another", "handed as another"}},
		"for another device":    {func(x *theirs) { x.push.Device = "tablet" }, []string{"pushed as another", "handed as another"}},
		"another span":          {func(x *theirs) { x.push.Span[0] = 1 }, []string{"pushed as another"}},
		"another trace on top":  {func(x *theirs) { x.phone.notes[0].Trace[0]++ }, []string{"handed as another"}},
	} {
		t.Run(name, func(t *testing.T) {
			x := wentWell(t)
			c.spoil(x)
			a := &audit{ledger: x.ledger, pushes: []push{x.office}, phones: append(x.others, x.phone)}
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
