package crash

import (
	"fmt"
	"strings"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// asked: every push in the log is one that the office wanted, in all that a
// caller can say of it.
func (a *audit) asked() {
	wanted := make(map[string]*push)
	for n := range a.pushes {
		wanted[a.pushes[n].Name] = &a.pushes[n]
	}
	for _, at := range a.ledger.Order {
		x := a.ledger.Pushes[at]
		p := wanted[x.Name]
		switch {
		case p == nil:
			a.wrong("pushed by nobody", at, "", "has the name %q, which the office never used", x.Name)
		case at.User != p.User:
			a.wrong("pushed as another", at, "", "is %s, which was for %s", x.Name, p.User)
		case x.Asked != p.asked():
			a.wrong("pushed as another", at, "", "is in the log as %#v, and was asked for as %#v", x.Asked, p.asked())
		case x.At != 0 && x.At != p.at.UnixMicro():
			a.wrong("pushed as another", at, "", "is to wait until %d, and was asked for %d", x.At, p.at.UnixMicro())
		case x.ID != schemas.NamedID(p.app, p.User, p.Name):
			a.wrong("pushed as another", at, "", "has the push id %s, want that of %s", x.ID, p.Name)
		}
	}
}

// said is a user's trace: what a caller sent, or ingest drew.
type said struct {
	user  string
	trace schemas.ID
}

// traces finds pushes in the log by what the office knows of each try.
func (a *audit) traces() map[said][]ledger.Place {
	m := make(map[said][]ledger.Place)
	for _, at := range a.ledger.Order {
		key := said{at.User, a.ledger.Pushes[at].Trace}
		m[key] = append(m[key], at)
	}
	return m
}

// accepted: what the office was told of is in the log, each try once; a name
// once but for repeats that were withdrawn; what was surely not taken is not.
func (a *audit) accepted() {
	first := make(map[string]int)
	for _, at := range a.ledger.Order {
		if x := a.ledger.Pushes[at]; !repeats(x) {
			first[x.Name]++
			if first[x.Name] > 1 {
				a.wrong("pushed twice", at, "", "%s is in the log a second time and was not withdrawn as a duplicate", x.Name)
			}
		}
	}
	traces := a.traces()
	for n := range a.pushes {
		p := &a.pushes[n]
		if t := p.accepted(); t != nil && first[p.Name] == 0 {
			a.wrong("accepted and lost", ledger.Place{User: p.User}, "", "%s was accepted at %s and is not in the log", p.Name, t.answered.Format(clock))
			continue
		}
		for i := range p.tries {
			if t := &p.tries[i]; !t.trace.IsZero() {
				a.tried(p, t, traces[said{p.User, t.trace}])
			}
		}
	}
}

// tried holds one try against the places that the log has of its trace.
func (a *audit) tried(p *push, t *try, places []ledger.Place) {
	user := ledger.Place{User: p.User}
	switch n := len(places); {
	case n > 1:
		a.wrong("logged twice", places[1], "", "is a second record of one try of %s, trace %s", p.Name, t.trace)
	case n == 0 && t.status == statusAccepted:
		a.wrong("accepted and lost", user, "", "%s was accepted at %s under trace %s, which the log does not have", p.Name, t.answered.Format(clock), t.trace)
	case n == 1 && t.status == statusBusy:
		a.wrong("refused and logged", places[0], "", "is %s, which was answered with busy at %s", p.Name, t.answered.Format(clock))
	case n == 1:
		if x := a.ledger.Pushes[places[0]]; x.Name != p.Name || x.Span != t.span {
			a.wrong("pushed as another", places[0], "", "is %s with span %x, and its trace is of %s with span %x", x.Name, x.Span, p.Name, t.span)
		}
	}
}

// unlike says in what a device was handed something else than the log has.
func unlike(device string, n note, x *ledger.Push) string {
	var say []string
	differ := func(what string, got, want any) {
		if got != want {
			say = append(say, fmt.Sprintf("the %s %v, want %v", what, got, want))
		}
	}
	differ("push id", schemas.ID(n.ID), x.ID)
	differ("trace", schemas.ID(n.Trace), x.Trace)
	differ("family", uint32(n.Family), x.Family)
	differ("command", uint32(n.Command), x.Command)
	differ("body", string(n.Body), x.Body)
	if x.Device != "" {
		differ("device", device, x.Device)
	}
	return strings.Join(say, ", ")
}
