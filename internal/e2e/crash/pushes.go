package crash

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// How much there is of everything; devicesOf says how many devices a user has.
// Besides, some users are away until Postgres has been replayed: half of them
// have connected once, the others never.
const (
	Pushes  = 20_000 // in each Span; those of a run that names no other number
	Devices = 550
	users   = 400
	absent  = 16
)

// push is one that an app-server wants to be delivered, until it was accepted.
type push struct {
	request
	app     string
	number  int           // that the application reads in the body
	due     time.Duration // since the first push
	delay   time.Duration // from then until it may be delivered; 0 = none
	at      time.Time     // the time that this comes to; zero = none
	cancels bool          // it is taken back at this time, since the first push
	cancel  time.Duration
	tries   []try // owned by the call that it is in
}

// request is what the API takes. All but the trace is the same for every try.
type request struct {
	User    string          `json:"user"`
	Device  string          `json:"device,omitempty"`
	Family  uint32          `json:"family"`
	Command uint32          `json:"command"`
	JSON    json.RawMessage `json:"json,omitempty"` // one of this
	Body    []byte          `json:"body,omitempty"` // and this
	TTL     float64         `json:"ttl"`
	Label   string          `json:"label"`
	Name    string          `json:"push_id"` // the caller's own

	Collapse  string `json:"collapse_key,omitempty"`
	DeliverAt string `json:"deliver_at,omitempty"`
	FirstWins bool   `json:"first_device_wins,omitempty"`

	Trace string `json:"traceparent,omitempty"`
}

// try is one time that a push was said.
type try struct {
	call, line int // the call's number, and the push's place in it
	made       time.Time
	answered   time.Time
	status     string     // the answer's; empty = there was none
	trace      schemas.ID // sent, or answered; zero = nobody has said it
	span       [8]byte    // sent; zero = none
}

// begin a try. Every other push brings a trace of the caller's own, a new one
// for each try, so that it is found in the log without any answer.
func (p *push) begin(call, line int) {
	t := try{call: call, line: line, made: time.Now()}
	if p.number%2 == 0 {
		t.trace = schemas.NewID(t.made)
		copy(t.span[:], t.trace[8:])
		p.Trace = fmt.Sprintf("00-%s-%x-01", t.trace, t.span)
	}
	p.tries = append(p.tries, t)
}

func (p *push) last() *try { return &p.tries[len(p.tries)-1] }

// accepted is the try that was, nil = none yet.
func (p *push) accepted() *try {
	if len(p.tries) == 0 || p.last().status != statusAccepted {
		return nil
	}
	return p.last()
}

// asked is what the log must have of the push.
func (p *push) asked() ledger.Asked {
	body := p.Body
	if p.JSON != nil {
		body = p.JSON
	}
	return ledger.Asked{
		App: p.app, Device: p.Device, Name: p.Name, Family: p.Family, Command: p.Command,
		TTL: int64(math.Ceil(p.TTL * 1000)), Label: p.Label, Body: string(body), Collapse: p.Collapse, FirstWins: p.FirstWins,
	}
}

// drawPushes draws what is pushed and when: the long-lived ones an hour, some of
// those to users who are away for long; a tenth for a short while, some of those
// to nobody, some for now or never; a few to one device alone; a few of the other
// app; and what option draws.
func drawPushes(seed uint64, n int) []push {
	rng := rand.New(rand.NewPCG(seed, 2))
	all := make([]push, n)
	for n := range all {
		p := push{app: freight, due: time.Duration(rng.Int64N(int64(spanOf(len(all)))))}
		p.request = request{
			User: user(rng.IntN(users)), TTL: 3600, Label: []string{"order", "price", "news · früh"}[rng.IntN(3)],
			Family: []uint32{7, 8, math.MaxUint16}[rng.IntN(3)], Command: []uint32{0, 1, 0x0203}[rng.IntN(3)],
		}
		switch d := rng.IntN(100); {
		case d == 0:
			p.User = fmt.Sprintf("nobody-%d", rng.IntN(10))
			fallthrough
		case d < 10:
			p.TTL = float64(rng.IntN(16)) / 2
		case d < 14:
			p.User = awayUser(rng.IntN(absent))
		case d < 18:
			p.Device = "phone-0"
		case d < 22:
			p.app, p.User = post, soloUser(rng.IntN(soloUsers))
		default:
			p.option(rng)
		}
		all[n] = p
	}
	slices.SortFunc(all, func(a, b push) int { return cmp.Compare(a.due, b.due) })
	for n := range all {
		all[n].write(n, rng)
	}
	return all
}

// write the name and the body, which the application reads as JSON in any case.
func (p *push) write(number int, rng *rand.Rand) {
	p.number, p.Name = number, fmt.Sprintf("office-%d", number)
	p.JSON = json.RawMessage(fmt.Sprint(number))
	if rng.IntN(2) == 0 {
		p.JSON, p.Body = nil, append([]byte(p.JSON), bytes.Repeat([]byte(" "), rng.IntN(600))...)
	}
}

const awayPrefix = "away-"

func awayUser(n int) string { return fmt.Sprintf("%s%02d", awayPrefix, n) }

// countAway is how many wait for users who are away.
func countAway(all []push) (n int) {
	for i := range all {
		if strings.HasPrefix(all[i].User, awayPrefix) {
			n++
		}
	}
	return n
}
