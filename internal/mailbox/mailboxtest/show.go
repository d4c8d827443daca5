package mailboxtest

import (
	"fmt"
	"strings"
	"time"

	"waybill/internal/mailbox"
	"waybill/schemas"
)

// words of one line: fields that are zero are left out.
type words struct{ b strings.Builder }

func (w *words) add(format string, args ...any) { fmt.Fprintf(&w.b, format, args...) }

func (w *words) pos(name string, p schemas.Position) {
	if p != 0 {
		w.add(" %s=%v", name, p)
	}
}

func (w *words) flag(name string, set bool) {
	if set {
		w.add(" %s", name)
	}
}

func (w *words) reason(name string, r schemas.Reason) {
	if r != 0 {
		w.add(" %s=%s", name, r.Word())
	}
}

// Show is the fold of the script's user, a line for each thing.
func Show(s *mailbox.State) string {
	u := s.Users["app/u"]
	if u == nil {
		return "nobody\n"
	}
	var out strings.Builder
	for i := range u.Devices {
		out.WriteString(device(&u.Devices[i]) + "\n")
	}
	for _, p := range u.Pushes {
		out.WriteString(push(u, p) + "\n")
	}
	for _, x := range u.Waiting {
		fmt.Fprintf(&out, "waiting %v id=%s\n", x.Push.Pos, Letters(x.Push.ID))
	}
	for _, x := range u.Closing {
		fmt.Fprintf(&out, "closing %v device=%s %s", x.Conn, x.Device, x.Reason.Word())
		if x.After > 0 {
			fmt.Fprintf(&out, " after=%v", time.Duration(x.After)*time.Millisecond)
		}
		out.WriteString("\n")
	}
	for _, x := range u.Tombs {
		fmt.Fprintf(&out, "tombstone id=%s\n", Letters(x.ID))
	}
	if out.Len() == 0 {
		return "nothing\n"
	}
	return out.String()
}

func device(d *mailbox.Device) string {
	var w words
	w.add("device %s session=%s", d.Name, Letters(d.Session))
	w.flag("live", d.Live)
	w.pos("cursor", d.Cursor)
	w.reason("ended", d.Ended)
	w.reason("leaving", d.Leaving)
	w.pos("gap_from", d.GapFrom)
	w.pos("gap_to", d.GapTo)
	if d.Connected() {
		w.add(" route=%v base=%v resume_at=%v", d.Conn, d.Base, d.ResumeAt)
		w.flag("resumed", d.Resumed)
		w.pos("received", d.Received)
		w.reason("adopt", d.Adopt)
	}
	return w.b.String()
}

func push(u *mailbox.User, p *mailbox.Push) string {
	var w words
	w.add("push %v id=%s", p.Pos, Letters(p.ID))
	w.reason("never", p.Never)
	w.pos("pushed", p.Pushed)
	w.pos("first", p.First)
	w.reason("ask", p.Ask)
	if p.End != 0 {
		w.add(" end=%s", p.End.Word())
	}
	w.flag("unconfirmed", p.Unconfirmed)
	w.flag("unreached", p.Unreached)
	for i := range p.Copies {
		if c := &p.Copies[i]; c.Owed || c.End != 0 || c.Tries > 0 {
			w.add(" | %s", u.Devices[i].Name)
			w.copy(c)
		}
	}
	return w.b.String()
}

func (w *words) copy(c *mailbox.Copy) {
	w.flag("owed", c.Owed)
	w.flag("routed", c.Routed)
	w.flag("acked", c.Acked)
	w.flag("sent", c.Sent > 0)
	if c.Attempt > 0 {
		w.add(" attempt=%d", c.Attempt)
	}
	if c.Tries > 0 {
		w.add(" tries=%d", c.Tries)
	}
	if c.End != 0 {
		w.add(" end=%s", c.End.Word())
	}
}

// Decision is one line about what delivery decided.
func Decision(e *schemas.Event) string {
	var w words
	w.add("%s", e.Kind.Word())
	if e.Device != "" {
		w.add(" device=%s", e.Device)
	}
	switch {
	case e.Released != nil:
		w.pos("pos", schemas.Position(e.Released.Position))
	case e.Kicked != nil:
		w.add(" session=%s", Letters(schemas.IDFrom(e.Kicked.Session)))
		w.reason("reason", e.Kicked.Reason)
	case e.SessionEnded != nil:
		w.add(" session=%s", Letters(schemas.IDFrom(e.SessionEnded.Session)))
		w.reason("reason", e.SessionEnded.Reason)
	case e.RouteEnded != nil:
		w.add(" conn=%v", e.Conn())
		w.reason("reason", e.RouteEnded.Reason)
	case e.Unreached != nil:
		w.pos("pos", schemas.Position(e.Unreached.Position))
	case e.Outcome != nil:
		w.pos("pos", schemas.Position(e.Outcome.Position))
		w.add(" class=%s", e.Outcome.Class.Word())
		w.reason("reason", e.Outcome.Reason)
		w.flag("whole", e.Outcome.Whole)
		w.pos("first", schemas.Position(e.Outcome.First))
		w.pos("pushed", schemas.Position(e.Outcome.Pushed))
	}
	return w.b.String()
}

// Command is one line about what a gate is told.
func Command(m *schemas.Command) string {
	var w words
	w.add("%s %v", strings.ToLower(strings.TrimPrefix(m.Kind.String(), "COMMAND_KIND_")), m.Conn())
	if m.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE {
		w.reason("reason", m.Reason)
		if m.After > 0 {
			w.add(" after=%v", time.Duration(m.After)*time.Millisecond)
		}
		return w.b.String()
	}
	w.add(" pos=%v previous=%v", schemas.Position(m.Position), schemas.Position(m.Previous))
	if m.Attempt > 0 {
		w.add(" attempt=%d", m.Attempt)
	}
	w.flag("again", m.Again)
	if g := m.Gap; g != nil {
		w.add(" gap=%s from=%v to=%v", g.Reason.Word(), schemas.Position(g.From), schemas.Position(g.To))
		w.flag("adopt", g.Adopt)
	}
	return w.b.String()
}
