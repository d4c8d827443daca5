package console

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// hasEnded says whether the message has ended as a whole: by an outcome that
// names no device, or by its first delivery.
func hasEnded(hops []Hop) bool { return ending(hops) != nil }

func ending(hops []Hop) *Hop {
	for i := range hops {
		h := &hops[i]
		if h.Kind == "outcome" && (h.Device == "" || h.Class == "delivered") {
			return h
		}
	}
	return nil
}

// judge says in one sentence how it went with a message, and in one word.
func judge(hops []Hop, lines []Line, connections []Connection) (state, verdict string) {
	head := &hops[0]
	if end := ending(hops); end != nil {
		return end.Class, endVerdict(hops, end)
	}
	switch head.Kind {
	case "uplinked":
		return uplinkVerdict(hops)
	case "refused":
		return StateRefused, "refused: " + reason(head.Reason)
	case "pushed":
		return StateInFlight, inFlight(hops, lines, connections)
	}
	last := &hops[len(hops)-1]
	return StateInFlight, fmt.Sprintf("%s at %s; where it began is not in the history", last.Kind, clock(last.At, last.At))
}

func endVerdict(hops []Hop, end *Hop) string {
	if end.Class != "delivered" {
		return end.Class + ": " + reason(end.Reason)
	}
	v := "delivered to device " + end.Device
	if end.Attempt > 0 {
		v += " after " + count(int(end.Attempt), "attempt")
	}
	acked := end.At
	if i := slices.IndexFunc(hops, func(h Hop) bool { return h.Kind == "acked" && h.Device == end.Device }); i >= 0 {
		acked = hops[i].At
	}
	switch {
	case hops[0].Kind != "pushed":
	case acked.Before(hops[0].At):
		v += "; the clocks disagree about how long it took"
	default:
		v += " in " + span(acked.Sub(hops[0].At))
	}
	return v
}

// reason is its word and its sentence.
func reason(word string) string {
	if word == "" {
		return "no reason was given"
	}
	return word + ". " + explain(word)
}

func uplinkVerdict(hops []Hop) (state, verdict string) {
	last := &hops[len(hops)-1]
	switch last.Kind {
	case "relayed":
		return StateUplinked, "relayed to the app-server at " + clock(last.At, last.At)
	case "parked":
		return StateParked, "parked: " + reason(last.Reason)
	}
	return StateUplinked, fmt.Sprintf("taken by gate g%d at %s; it is in %s for the app-server", last.Conn.Gate, clock(last.At, last.At), last.Topic)
}

// inFlight says how far a push has come and what it waits for.
func inFlight(hops []Hop, lines []Line, connections []Connection) string {
	began := hops[0].At
	var last *Hop // on its way to a device
	for i := range hops {
		if h := &hops[i]; (h.Kind == "sent" || h.Kind == "bounced") && (last == nil || h.Place > last.Place) {
			last = h
		}
	}
	waits := waiting(hops, connections)
	if last == nil {
		return waits
	}
	if last.Kind == "bounced" {
		return fmt.Sprintf("turned back by gate g%d at %s: %s; %s", last.Conn.Gate, clock(last.At, began), last.Reason, waits)
	}
	v := fmt.Sprintf("written to the socket by gate g%d at %s, ", last.Conn.Gate, clock(last.At, began))
	if end := endOf(lines, last); end != nil {
		v += fmt.Sprintf("never acknowledged; the connection was closed %s later: %s", span(max(0, end.At.Sub(last.At))), end.Reason)
		return v + "; " + waits
	}
	return v + "not acknowledged yet"
}

// endOf the connection that a hop took, if it has been told.
func endOf(lines []Line, h *Hop) *Line {
	for i := range lines {
		l := &lines[i]
		if !l.isHop && l.conn == h.Conn && (l.Kind == "disconnected" || l.Kind == "route_ended") {
			return l
		}
	}
	return nil
}

// waiting says what the devices of the user are doing.
func waiting(hops []Hop, connections []Connection) string {
	began, devices := hops[0].At, lastStates(connections)
	if len(devices) == 0 {
		return "waiting: no device of the user has connected within the history"
	}
	if i := slices.IndexFunc(devices, func(c Connection) bool { return c.Kind == "connected" }); i >= 0 {
		return fmt.Sprintf("waiting: device %s has been connected since %s", devices[i].Device, clock(devices[i].At, began))
	}
	latest := slices.MaxFunc(devices, func(a, b Connection) int { return a.At.Compare(b.At) })
	whose := fmt.Sprintf("all %d devices of the user have been offline", len(devices))
	switch {
	case hops[0].Device != "":
		whose = fmt.Sprintf("device %s has been offline", hops[0].Device)
	case len(devices) == 1:
		whose = "the user's only device has been offline"
	}
	return fmt.Sprintf("waiting: %s since %s", whose, clock(latest.At, began))
}

// lastStates is the last connect or end of each device, by name. The end of an
// older connection says nothing about a newer one.
func lastStates(connections []Connection) []Connection {
	last := make(map[string]Connection)
	for _, c := range connections {
		before, known := last[c.Device]
		switch {
		case c.Kind == "connected", !known && ends(c.Kind):
			last[c.Device] = c
		case ends(c.Kind) && before.Conn == c.Conn:
			last[c.Device] = c
		}
	}
	states := make([]Connection, 0, len(last))
	for _, c := range last {
		states = append(states, c)
	}
	slices.SortFunc(states, func(a, b Connection) int { return strings.Compare(a.Device, b.Device) })
	return states
}

func ends(kind string) bool { return kind == "disconnected" || kind == "route_ended" }

// clock is the time of day in UTC, with the date if it is not that of began.
func clock(t, began time.Time) string {
	t, began = t.UTC(), began.UTC()
	if t.Format(time.DateOnly) != began.Format(time.DateOnly) {
		return t.Format(time.DateTime)
	}
	return t.Format(time.TimeOnly)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "sh") {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// summary is the verdict on a trace: that of its message, or how many of its
// messages came how far.
func summary(messages []Message) (verdict, state string) {
	if len(messages) == 0 {
		return "", ""
	}
	if len(messages) == 1 {
		return messages[0].Verdict, messages[0].State
	}
	states := []string{"delivered", StateInFlight, "unconfirmed", "lost", "withdrawn", StateUplinked, StateParked, StateRefused}
	counts := make(map[string]int)
	for _, m := range messages {
		counts[m.State]++
	}
	var parts []string
	for _, s := range states {
		if n := counts[s]; n > 0 {
			state = s
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(s, "_", " ")))
		}
	}
	if len(parts) > 1 {
		state = StateMixed
	}
	return fmt.Sprintf("%d messages: %s", len(messages), strings.Join(parts, ", ")), state
}
