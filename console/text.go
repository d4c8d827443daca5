package console

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Text is the tracking page for a terminal.
func (t Trace) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "trace %s\n%s\n", t.ID, t.Verdict)
	if t.Others > 0 {
		fmt.Fprintf(&b, "(%s of the same call: look up the trace id)\n", count(t.Others, "other push"))
	}
	for i := range t.Messages {
		m := &t.Messages[i]
		fmt.Fprintf(&b, "\n%s\n", m.title())
		if len(t.Messages) > 1 {
			fmt.Fprintf(&b, "%s\n", m.Verdict)
		}
		m.lines(&b)
		for _, c := range m.Clocks {
			fmt.Fprintf(&b, "! %s\n", c)
		}
	}
	if t.Partial != "" {
		fmt.Fprintf(&b, "\n%s\n", t.Partial)
	}
	return b.String()
}

// title names the message and the day that the times below are of.
func (m *Message) title() string {
	what := "push " + m.PushID + " to"
	if m.PushID == "" {
		what = "message of"
	}
	return fmt.Sprintf("%s %s (%s), %s UTC", what, m.User, m.App, m.Began().Format(time.DateOnly))
}

// Began is the time of the message's first hop.
func (m *Message) Began() time.Time {
	if len(m.Hops) == 0 {
		return time.Time{}
	}
	return m.Hops[0].At.UTC()
}

func (m *Message) lines(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i := range m.Hops {
		l := &m.Hops[i]
		row := []string{" " + l.Clock(m.Began()), l.After(), l.Kind, l.Try(), l.Device, l.Conn, l.Node, l.Why()}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	_ = w.Flush() // a strings.Builder takes everything
}

// Clock is the line's time of day to the millisecond, with the date if it is
// not that of began.
func (l *Line) Clock(began time.Time) string {
	if l.At.UTC().Format(time.DateOnly) != began.UTC().Format(time.DateOnly) {
		return l.At.UTC().Format("2006-01-02 15:04:05.000")
	}
	return l.At.UTC().Format("15:04:05.000")
}

// After is the time since the line that this one follows from.
func (l *Line) After() string {
	after := time.Duration(l.Micros) * time.Microsecond
	switch {
	case after == 0:
		return ""
	case after < 0:
		return span(after)
	}
	return "+" + span(after)
}

// Try names the attempt.
func (l *Line) Try() string {
	if l.Attempt == 0 || l.Class != "" {
		return ""
	}
	return fmt.Sprintf("attempt %d", l.Attempt)
}

// Why is the outcome's class, the reason's word and sentence, and the detail.
func (l *Line) Why() string {
	parts := make([]string, 0, 3)
	if head := strings.TrimSpace(l.Class + " " + l.Reason); head != "" {
		parts = append(parts, head)
	}
	if l.Explained != "" {
		parts = append(parts, l.Explained)
	}
	if l.Detail != "" {
		parts = append(parts, "("+l.Detail+")")
	}
	return strings.Join(parts, ": ")
}

// Mark is the line's class on the page, which colors its dot.
func (l *Line) Mark() string {
	switch kind, _, _ := strings.Cut(l.Kind, " "); {
	case l.Class != "":
		return l.Class
	case kind == "connected":
		return "joined"
	case !l.isHop:
		return "left"
	default:
		return kind
	}
}
