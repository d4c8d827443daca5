package crash

import (
	"fmt"
	"strings"

	"waybill/schemas"
)

// words of one line of a transcript; what is nothing is left out.
type words []string

func (w *words) add(name string, value any) {
	if s := fmt.Sprint(value); s != "" && s != "0" && s != "false" && s != "none" {
		*w = append(*w, name+" "+s)
	}
}

func (w *words) position(name string, p uint64) { w.add(name, schemas.Position(p)) }

func (w *words) String() string { return strings.Join(*w, ", ") }

// describe an event as far as it decides anything.
func describe(e *schemas.Event) string {
	w := words{e.Kind.Word()}
	w.add("of", e.Device)
	w.add("on", e.Conn())
	switch {
	case e.Pushed != nil:
		w.add("name", e.Pushed.Name)
		w.add("ttl ms", e.Pushed.Ttl)
	case e.Connected != nil:
		w.add("login", e.Connected.Login)
		w.position("cursor", e.Connected.Cursor)
		w.add("install", fmt.Sprintf("%.4x", e.Connected.Install))
		w.add("count", e.Connected.Count)
	case e.Disconnected != nil:
		w.add("because", e.Disconnected.Reason.Word())
		w.add("detail", e.Disconnected.Detail)
		w.position("cursor", e.Disconnected.Cursor)
	case e.Sent != nil:
		w.position("position", e.Sent.Position)
		w.add("attempt", e.Sent.Attempt)
	case e.Bounced != nil:
		w.position("position", e.Bounced.Position)
		w.add("because", e.Bounced.Reason.Word())
	case e.Acked != nil:
		w.position("cursor", e.Acked.Cursor)
		w.position("received", e.Acked.Received)
	default:
		w.decision(e)
	}
	w.add("by", e.Node)
	return w.String()
}

func (w *words) decision(e *schemas.Event) {
	w.position("term", e.Term)
	switch {
	case e.Outcome != nil:
		w.position("position", e.Outcome.Position)
		w.add("is", e.Outcome.Class.Word()+"/"+e.Outcome.Reason.Word())
		w.add("as a whole", e.Outcome.Whole || e.Device == "")
		w.add("attempt", e.Outcome.Attempt)
		w.position("first", e.Outcome.First)
	case e.Kicked != nil:
		w.add("because", e.Kicked.Reason.Word())
	case e.SessionEnded != nil:
		w.add("because", e.SessionEnded.Reason.Word())
	case e.RouteEnded != nil:
		w.add("because", e.RouteEnded.Reason.Word())
	case e.Released != nil:
		w.position("position", e.Released.Position)
	}
}

// describeCommand says what a gate was told.
func describeCommand(m *schemas.Command) string {
	w := words{strings.ToLower(strings.TrimPrefix(m.Kind.String(), "COMMAND_KIND_"))}
	w.add("on", m.Conn())
	w.position("position", m.Position)
	w.position("previous", m.Previous)
	w.add("attempt", m.Attempt)
	w.add("again", m.Again)
	if m.Reason != 0 {
		w.add("because", m.Reason.Word())
	}
	if m.Gap != nil {
		w.add("gap", m.Gap.Reason.Word())
	}
	w.position("term", m.Term)
	w.add("by", m.Node)
	return w.String()
}
