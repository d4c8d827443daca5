package sim

import (
	"encoding/binary"
	"fmt"
	"strings"

	"waybill/schemas"
)

// short is a number() id as a person reads it: p3.
func short(id schemas.ID) string {
	if id.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%c%d", id[0], binary.BigEndian.Uint64(id[8:]))
}

func shortOf(b []byte) string { return short(schemas.IDFrom(b)) }

// describe is one line about an event.
func describe(e *schemas.Event) string {
	var b strings.Builder
	b.WriteString(e.Kind.Word())
	field := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
	}
	field("device", e.Device)
	field("conn", e.Conn().String())
	field("session", shortOf(e.Session))
	if e.Term > 0 {
		field("term", schemas.Position(e.Term).String())
	}
	b.WriteString(body(e))
	return b.String()
}

func body(e *schemas.Event) string {
	at := func(p uint64) schemas.Position { return schemas.Position(p) }
	switch {
	case e.Pushed != nil:
		x := e.Pushed
		return fmt.Sprintf(" id=%s ttl=%dms", shortOf(x.PushId), x.Ttl) + options(x)
	case e.CancelAsked != nil:
		return " id=" + shortOf(e.CancelAsked.PushId)
	case e.Connected != nil:
		x := e.Connected
		return fmt.Sprintf(" login=%v login_at=%v install=%s count=%d cursor=%v", x.Login, at(x.LoginAt), shortOf(x.Install), x.Count, at(x.Cursor))
	case e.Disconnected != nil:
		return fmt.Sprintf(" %s cursor=%v received=%v", e.Disconnected.Reason.Word(), at(e.Disconnected.Cursor), at(e.Disconnected.Received))
	case e.Sent != nil:
		return fmt.Sprintf(" pos=%v attempt=%d", at(e.Sent.Position), e.Sent.Attempt)
	case e.Bounced != nil:
		return fmt.Sprintf(" pos=%v attempt=%d", at(e.Bounced.Position), e.Bounced.Attempt)
	case e.Acked != nil:
		return fmt.Sprintf(" cursor=%v received=%v", at(e.Acked.Cursor), at(e.Acked.Received))
	}
	return decision(e)
}

func options(x *schemas.Pushed) string {
	s := ""
	if len(x.Body) > 1 {
		s += fmt.Sprintf(" bytes=%d", len(x.Body))
	}
	if x.CollapseKey != "" {
		s += " collapse_key=" + x.CollapseKey
	}
	if x.DeliverAt > 0 {
		s += fmt.Sprintf(" deliver_at=%dms", (x.DeliverAt-began)/1000)
	}
	if x.FirstDeviceWins {
		s += " first_device_wins"
	}
	return s
}

func gapOf(g *schemas.Gap) string {
	if g == nil {
		return ""
	}
	s := fmt.Sprintf(" gap=%s %v to %v", g.Reason.Word(), schemas.Position(g.From), schemas.Position(g.To))
	if g.Adopt {
		s += " adopt"
	}
	return s
}

func decision(e *schemas.Event) string {
	switch {
	case e.Claimed != nil:
		return " worker=" + shortOf(e.Claimed.Worker)
	case e.Released != nil:
		return fmt.Sprintf(" pos=%v", schemas.Position(e.Released.Position))
	case e.Kicked != nil:
		return fmt.Sprintf(" ends=%s %s", shortOf(e.Kicked.Session), e.Kicked.Reason.Word())
	case e.Outcome != nil:
		x := e.Outcome
		s := fmt.Sprintf(" pos=%v %s %s", schemas.Position(x.Position), x.Class.Word(), x.Reason.Word())
		if x.Whole {
			s += ", and as a whole"
		}
		return s
	case e.SessionEnded != nil:
		return " ends=" + shortOf(e.SessionEnded.Session) + " " + e.SessionEnded.Reason.Word()
	case e.Unreached != nil:
		return fmt.Sprintf(" pos=%v", schemas.Position(e.Unreached.Position))
	case e.RouteEnded != nil:
		return " " + e.RouteEnded.Reason.Word()
	}
	return ""
}

// command is one line about a command.
func command(m *schemas.Command) string {
	kind := strings.ToLower(strings.TrimPrefix(m.Kind.String(), "COMMAND_KIND_"))
	s := fmt.Sprintf("%s to %v (device %s)", kind, m.Conn(), m.Device)
	if m.Kind == schemas.CommandKind_COMMAND_KIND_CLOSE {
		return s + " " + m.Reason.Word()
	}
	s += fmt.Sprintf(" pos=%v previous=%v", schemas.Position(m.Position), schemas.Position(m.Previous))
	return s + gapOf(m.Gap)
}
