package delivery

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/control"
	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/schemas"
)

// table plays transcripts against a core. A line is
//
//	a record of the log (see mailboxtest.Script)
//	gates RECORD        a record of waybill.gates
//	read                what was decided so far stands in the log now
//	wait 3s             time passes, and all that was appended has been read
//	drift 30s           time passes, and delivery's tick moves the gates topic
//	takeover            another worker claims, from a snapshot of the log so far
//	set window=2 ...    before the first record
//	policy devices=many another policy of the app is in force
//	revoke device=a     sessions that began before now may not go on
//
// and is answered by what the core puts out.
type table struct {
	set     Settings
	apps    Policies
	revoked []control.Revocation
	core    *Core
	log     mailboxtest.Script
	gates   mailboxtest.Script
	decided []*schemas.Event
	workers int
	all     []entry // the log, and the gates topic
}

type entry struct {
	gates bool
	pos   schemas.Position
	at    int64
	event *schemas.Event
}

const tableStart = int64(1e15)

func newTable() *table {
	t := &table{set: Defaults()}
	t.log.Now, t.gates.Now = tableStart, tableStart
	return t
}

func (t *table) interpret(line string) (string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	if verb == "set" {
		return "", t.change(rest)
	}
	if t.core == nil {
		t.takeover()
	}
	switch verb {
	case "policy":
		p, err := policyFrom(rest)
		if err != nil {
			return "", err
		}
		t.apps = Policies{"app": p}
		t.core.SetPolicies(t.apps)
	case "revoke":
		return t.revoke(rest), nil
	case "gates":
		return t.gateRecord(rest)
	case "read":
		decided := t.decided
		t.decided = nil
		for _, e := range decided {
			t.record(e)
		}
	case "wait":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return "", err
		}
		t.log.Now += d.Microseconds()
		t.gates.Now += d.Microseconds()
		t.core.Advance(t.log.Now)
		t.core.Prove(t.log.Now)
	case "drift":
		return t.drift(rest)
	case "takeover":
		t.takeover()
	default:
		e, err := t.log.Event(line)
		if err != nil {
			return "", err
		}
		t.record(e)
	}
	return t.answer(), t.core.State().CheckInvariants()
}

func (t *table) drift(rest string) (out string, err error) {
	d, err := time.ParseDuration(rest)
	for step := 4 * time.Second; d > 0 && err == nil; d -= step {
		t.log.Now += step.Microseconds()
		var said string
		said, err = t.gateRecord("tick")
		out += said
	}
	return out, err
}

func (t *table) change(rest string) error {
	for _, w := range strings.Fields(rest) {
		name, value, _ := strings.Cut(w, "=")
		n := 0
		fmt.Sscan(value, &n)
		switch name {
		case "window":
			t.set.Window = n
		case "mailbox":
			t.set.Mailbox = n
		case "devices":
			t.set.Devices = n
		default:
			return fmt.Errorf("no setting %q", name)
		}
	}
	return nil
}

// revoke reads device=a session=s1, or nothing: all of the user's.
func (t *table) revoke(text string) string {
	r := control.Revocation{App: "app", User: "u", Before: t.log.Now, Reason: schemas.Reason_REASON_REVOKED}
	for _, word := range strings.Fields(text) {
		switch name, value, _ := strings.Cut(word, "="); name {
		case "device":
			r.Device = value
		case "session":
			r.Session = mailboxtest.ID(value)
		}
	}
	t.revoked = append(slices.Clone(t.revoked), r)
	t.core.SetRevocations(t.revoked)
	return t.answer()
}

// policyFrom reads devices=one_per_user expiry=1h unreached=3s.
func policyFrom(text string) (Policy, error) {
	p := Defaults().Policy
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		n, known := schemas.DevicePolicy_value["DEVICE_POLICY_"+strings.ToUpper(value)]
		switch {
		case name == "devices" && known:
			p.Devices = schemas.DevicePolicy(n)
		case name == "expiry":
			var err error
			if p.SessionExpiry, err = time.ParseDuration(value); err != nil {
				return p, err
			}
		case name == "unreached":
			var err error
			if p.UnreachedAfter, err = time.ParseDuration(value); err != nil {
				return p, err
			}
		default:
			return p, fmt.Errorf("no policy %q", word)
		}
	}
	return p, nil
}

// takeover starts a core that has read all there is, then claims.
func (t *table) takeover() {
	t.workers++
	t.decided = nil // the former worker is dead
	self := mailboxtest.ID(fmt.Sprintf("w%d", t.workers))
	t.core = NewCore(t.set, self, mailbox.New(), 0)
	t.core.SetPolicies(t.apps)
	t.core.SetRevocations(t.revoked)
	for _, x := range t.all {
		t.apply(x)
	}
	t.record(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: self[:]}})
}

func (t *table) record(e *schemas.Event) {
	pos, at := t.log.Add(e)
	t.keep(entry{false, pos, at, e})
}

func (t *table) gateRecord(line string) (string, error) {
	e, err := t.gates.Event(line)
	if err != nil {
		return "", err
	}
	t.gates.Now = max(t.gates.Now, t.log.Now)
	pos, at := t.gates.Add(e)
	t.keep(entry{true, pos, at, e})
	return t.answer(), nil
}

func (t *table) keep(x entry) {
	t.all = append(t.all, x)
	t.apply(x)
}

func (t *table) apply(x entry) {
	if x.gates {
		t.core.ApplyGate(x.pos, x.at, x.event)
	} else {
		t.core.Apply(x.pos, x.at, x.event)
	}
}

func (t *table) answer() string {
	var out strings.Builder
	decisions, commands := t.core.Take()
	for _, e := range decisions {
		out.WriteString("decides " + mailboxtest.Decision(e) + "\n")
	}
	for _, m := range commands {
		out.WriteString("tells " + mailboxtest.Command(m) + "\n")
	}
	t.decided = append(t.decided, decisions...)
	return out.String()
}

func TestTranscripts(t *testing.T) {
	mailboxtest.Transcripts(t, func() mailboxtest.Interpreter { return newTable().interpret })
}
