package delivery

import "waybill/schemas"

// ended is an outcome in one piece of memory: most of what a core puts out.
type ended struct {
	event   schemas.Event
	outcome schemas.Outcome
	steps   schemas.Steps
	session schemas.ID
}

// lent is the memory of what was put out. Whoever encodes at once gives it
// back; whoever keeps it, as the simulation does, never does.
type lent struct {
	ends     []*ended // since the last Take
	out      []*ended // of the last Take
	commands []*schemas.Command
	events   []*schemas.Event

	freeEnds     []*ended
	freeCommands []*schemas.Command
}

// mostFree bounds what is kept for reuse.
const mostFree = 1024

func (l *lent) end() *ended {
	var x *ended
	if n := len(l.freeEnds); n > 0 {
		x, l.freeEnds = l.freeEnds[n-1], l.freeEnds[:n-1]
	} else {
		x = new(ended)
	}
	l.ends = append(l.ends, x)
	return x
}

func (l *lent) command() *schemas.Command {
	n := len(l.freeCommands)
	if n == 0 {
		return new(schemas.Command)
	}
	m := l.freeCommands[n-1]
	l.freeCommands = l.freeCommands[:n-1]
	return m
}

// take notes what Take hands out.
func (l *lent) take(events []*schemas.Event, commands []*schemas.Command) {
	l.events, l.commands = events, commands
	l.ends, l.out = l.out[:0], l.ends
}

// empty undoes what outcome and its callers set, field by field: the messages
// are large, and to clear them whole costs as much as to fill them. Nothing may
// be left that holds on to a push.
func (x *ended) empty() {
	e, o, s := &x.event, &x.outcome, &x.steps
	e.TraceId, e.ParentSpan, e.Session, e.Device = nil, nil, nil, ""
	e.SetConn(schemas.ConnID{})
	o.PushId, o.Attempt, o.Platform, o.Whole = nil, 0, "", false
	s.Dispatched, s.Sent, s.Delivered, s.Opened = 0, 0, 0, 0
}

// emptied is the same for commands.
func emptied(m *schemas.Command) {
	m.TraceId, m.ParentSpan, m.PushId, m.Body, m.Gap = nil, nil, nil, nil, nil
	m.Position, m.Previous, m.Attempt, m.Expires, m.Again = 0, 0, 0, 0, false
	m.Family, m.Command, m.Reason, m.After = 0, 0, 0, 0
}

// Recycle takes back all that the last Take handed out: nothing of it may be
// used any more.
func (c *Core) Recycle() {
	l := &c.lent
	for _, x := range l.out {
		x.empty()
	}
	for _, m := range l.commands {
		emptied(m)
	}
	l.freeEnds = append(l.freeEnds, l.out[:min(len(l.out), mostFree-len(l.freeEnds))]...)
	l.freeCommands = append(l.freeCommands, l.commands[:min(len(l.commands), mostFree-len(l.freeCommands))]...)
	clear(l.out)
	clear(l.events)
	clear(l.commands)
	c.decisions, c.commands = l.events[:0], l.commands[:0]
	l.out, l.events, l.commands = l.out[:0], nil, nil
}
