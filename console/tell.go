package console

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tell makes the tracking page of one trace from its hops and from what
// happened to the devices of its users: rows after the push was accepted, and
// the last one of each device. It is pure; rows may come in any order and
// twice. Without hops it says nothing: see Absent.
func Tell(hops []Hop, connections []Connection) Trace {
	t := Trace{}
	for _, own := range byMessage(hops) {
		t.ID = own[0].Trace.String()
		t.Messages = append(t.Messages, tellMessage(own, connectionsOf(own, connections)))
	}
	t.Verdict, t.State = summary(t.Messages)
	return t
}

// byMessage groups the hops of one message, in the order of position and user.
// The same position may stand in two partitions: the user tells them apart.
func byMessage(hops []Hop) [][]Hop {
	hops = underPushed(hops)
	order := func(a, b Hop) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), strings.Compare(a.User, b.User))
	}
	slices.SortStableFunc(hops, order)
	var all [][]Hop
	for len(hops) > 0 {
		n := 1
		for n < len(hops) && order(hops[0], hops[n]) == 0 {
			n++
		}
		all = append(all, inCausalOrder(hops[:n:n]))
		hops = hops[n:]
	}
	return all
}

// underPushed puts the way of a push for later under the position at which it was
// accepted. From its release on its hops name that of the release.
func underPushed(hops []Hop) []Hop {
	type message struct {
		user     string
		position uint64
	}
	accepted := make(map[message]uint64)
	for i := range hops {
		if h := &hops[i]; h.Kind == "released" {
			accepted[message{h.User, h.Place}] = h.Position
		}
	}
	hops = slices.Clone(hops)
	for i := range hops {
		if position, ok := accepted[message{hops[i].User, hops[i].Position}]; ok {
			hops[i].Position = position
		}
	}
	return hops
}

// inCausalOrder sorts the hops of one message and drops repeats. Devices stand
// one after the other: between two of them there is no order.
func inCausalOrder(hops []Hop) []Hop {
	firsts := make(map[string]uint64) // of each device
	for _, h := range hops {
		if first, known := firsts[h.Device]; !known || h.Place < first {
			firsts[h.Device] = h.Place
		}
	}
	slices.SortStableFunc(hops, func(a, b Hop) int {
		return cmp.Or(cmp.Compare(a.part(), b.part()), cmp.Compare(firsts[a.Device], firsts[b.Device]), strings.Compare(a.Device, b.Device),
			cmp.Compare(a.phase(), b.phase()), attempts(a, b), cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Place, b.Place))
	})
	return slices.CompactFunc(hops, func(a, b Hop) bool {
		return a.Kind == b.Kind && a.Place == b.Place && a.Device == b.Device
	})
}

// attempts count within their phase only: an outcome carries its last one.
func attempts(a, b Hop) int {
	if a.phase() != 1 {
		return 0
	}
	return cmp.Compare(a.Attempt, b.Attempt)
}

// part of a way: the push before its attempts, its devices, the push's end.
func (h *Hop) part() int {
	switch {
	case h.phase() == 0:
		return 0
	case h.Device != "":
		return 1
	}
	return 2
}

// connectionsOf are the rows that concern the message's user, and its device if
// it was for one, in log order. Uplinks stand in another topic: there is no
// order between them and the connections.
func connectionsOf(hops []Hop, connections []Connection) []Connection {
	head := hops[0]
	if head.Kind != "pushed" {
		return nil
	}
	var own []Connection
	for _, c := range connections {
		if c.App == head.App && c.User == head.User && (head.Device == "" || head.Device == c.Device) {
			own = append(own, c)
		}
	}
	slices.SortStableFunc(own, func(a, b Connection) int { return cmp.Compare(a.Place, b.Place) })
	return slices.CompactFunc(own, func(a, b Connection) bool { return a.Place == b.Place })
}

func tellMessage(hops []Hop, connections []Connection) Message {
	head := hops[0]
	m := Message{App: head.App, User: head.User, Position: head.Position, Bytes: head.Size}
	end := uint64(0)
	for i := range hops {
		h := &hops[i]
		m.Hops = append(m.Hops, hopLine(h))
		if !h.Push.IsZero() {
			m.PushID = h.Push.String()
		}
		if h.Kind == "outcome" {
			end = max(end, h.Place)
		}
	}
	ended := hasEnded(hops)
	for i := range connections {
		c := &connections[i]
		if c.Place > head.Position && (!ended || c.Place < end) {
			m.insert(connectionLine(c))
		}
	}
	m.measure()
	m.State, m.Verdict = judge(hops, m.Hops, connections)
	return m
}

// insert puts a connection's line in its causal place among the lines of its
// device: a connect before everything on that connection, the rest by the log.
// An ack is told by its outcome, which the log has later than the ack itself.
func (m *Message) insert(l Line) {
	connect := strings.HasPrefix(l.Kind, "connected")
	at := m.endOf(l.Device)
	for i := range at {
		other := &m.Hops[i]
		if other.Device != l.Device || other.phase == 0 {
			continue
		}
		own := other.isHop && other.conn == l.conn
		if connect && own || other.place > l.place && !(own && other.Kind == "acked") {
			at = i
			break
		}
	}
	m.Hops = slices.Insert(m.Hops, at, l)
}

// endOf the lines of a device; where it has none yet, before the push's end.
func (m *Message) endOf(device string) int {
	end := len(m.Hops)
	for i := len(m.Hops) - 1; i >= 0; i-- {
		l := &m.Hops[i]
		if l.Device == device && l.phase != 0 {
			return i + 1
		}
		if l.Device == "" && l.phase == 2 {
			end = i
		}
	}
	return end
}

// measure finds the time between the lines, and where the clocks contradict
// the order. The first line of a device follows the head of the way.
func (m *Message) measure() {
	head := 0
	for i := range m.Hops {
		l := &m.Hops[i]
		if i == 0 {
			continue
		}
		previous := &m.Hops[i-1]
		if l.phase == 0 || previous.phase == 0 {
			head = i - 1
		} else if previous.Device != l.Device && l.Device != "" {
			previous = &m.Hops[head]
		}
		after := l.At.Sub(previous.At)
		l.Micros = after.Microseconds()
		if after < 0 && causal(previous, l) {
			l.Behind = true
			m.Clocks = append(m.Clocks, fmt.Sprintf("%s comes after %s, and the clock of %s shows %s less than that of %s: the clocks disagree.",
				l.Kind, previous.Kind, l.Node, span(-after), previous.Node))
		}
	}
}

// causal is true where the later line could not be without the earlier one. Two
// connections of a device live and end independently.
func causal(a, b *Line) bool {
	return a.isHop && b.isHop || a.conn == b.conn
}

// span says a duration as people do: two figures, then the next unit.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "−" + span(-d)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d %d h", int(d.Hours())/24, int(d.Hours())%24)
}
