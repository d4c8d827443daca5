package crash

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"waybill/internal/e2e/ledger"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// line of a transcript; the log's own order stands beside the time.
type line struct {
	time int64 // microseconds
	text string
}

// keepEvidence writes what the log, the gates' commands, the office and the
// phones say of the user of the first violation, and returns the file.
func (r *run) keepEvidence(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	r.keepBrokerLogs()
	var b strings.Builder
	for _, v := range r.result.Violations {
		fmt.Fprintln(&b, v)
	}
	user := r.suspect()
	var partition int32
	r.books.Look(func(l *ledger.Ledger) { partition = l.Partitions[user] })
	fmt.Fprintf(&b, "\nEverything about %s, whose events are in partition %d.\nTimes of the log are the broker's.\n\n", user, partition)
	for _, l := range r.story(ctx, user, partition) {
		fmt.Fprintf(&b, "%s  %s\n", time.UnixMicro(l.time).Format(clock), l.text)
	}
	path := filepath.Join(r.cfg.Dir, "transcript.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		r.cfg.Say("the transcript was not kept: %v", err)
	}
	return path
}

// suspect is the user of the first violation that has one, else one of a push
// without an outcome.
func (r *run) suspect() (user string) {
	for _, v := range r.result.Violations {
		if v.place.User != "" {
			return v.place.User
		}
	}
	r.books.Look(func(l *ledger.Ledger) {
		for _, at := range l.Order {
			if len(l.Pushes[at].Whole) == 0 {
				user = at.User
				return
			}
		}
	})
	return user
}

// story is what several parties say about one user.
type story struct{ lines []line }

// add what happened at a time in microseconds.
func (s *story) add(t int64, format string, args ...any) {
	s.lines = append(s.lines, line{t, fmt.Sprintf(format, args...)})
}

// story of a user, in the order of time. Clocks are of one machine; where the
// order matters, positions stand beside them.
func (r *run) story(ctx context.Context, user string, partition int32) []line {
	var s story
	if r.log != nil {
		s.events(ctx, r.log, user, partition)
		s.commands(ctx, r.log, user)
	}
	for _, p := range r.all() {
		if p.User == user {
			s.phone(p)
		}
	}
	if r.office != nil {
		s.faults(r.result.Faults, r.office.begin)
		s.office(r.office, user)
	}
	slices.SortStableFunc(s.lines, func(a, b line) int { return cmp.Compare(a.time, b.time) })
	return s.lines
}

// events of the user, and who owned the partition meanwhile.
func (s *story) events(ctx context.Context, log *eventlog.Log, user string, partition int32) {
	err := ledger.Visit(ctx, log, eventlog.EventsTopic, func(n int32, e *eventlog.Entry) {
		if e.Event.User == user || n == partition && e.Event.Kind == schemas.Kind_KIND_CLAIMED {
			s.add(e.Time, "event    %v %s", e.Position, describe(e.Event))
		}
	})
	if err != nil {
		s.add(0, "the events are not all there: %v", err)
	}
}

// commands about the user, as far as the topic is retained.
func (s *story) commands(ctx context.Context, log *eventlog.Log, user string) {
	err := ledger.Visit(ctx, log, eventlog.DispatchTopic, func(n int32, e *eventlog.Entry) {
		if e.Command != nil && e.Command.User == user {
			s.add(e.Time, "command  to gate %d at %v: %s", n, e.Position, describeCommand(e.Command))
		}
	})
	if err != nil {
		s.add(0, "the commands are not all there: %v", err)
	}
}

func (s *story) phone(p *phone) {
	for _, n := range p.got() {
		s.add(n.at.UnixMicro(), "phone    %s was handed push %d of the office at %v (again: %v)", p.name(), n.number, schemas.Position(n.Position), n.Again)
	}
}

func (s *story) faults(all []Fault, start time.Time) {
	for _, f := range all {
		at := start.Add(f.At)
		s.add(at.UnixMicro(), "fault    %s %s", f.Kind, f.Target)
		s.add(at.Add(f.For).UnixMicro(), "fault    end of %s %s", f.Kind, f.Target)
	}
}

func (s *story) office(o *office, user string) {
	for n := range o.pushes {
		if o.pushes[n].User != user {
			continue
		}
		for _, t := range o.pushes[n].tries {
			s.add(t.made.UnixMicro(), "office   push %d is line %d of call %d, trace %s", n, t.line, t.call, t.trace)
			if t.status != "" {
				s.add(t.answered.UnixMicro(), "office   push %d has the answer %s to call %d", n, t.status, t.call)
			}
		}
	}
}

// keepBrokerLogs: the brokers' data goes when they end.
func (r *run) keepBrokerLogs() {
	if r.site.kafka == nil {
		return
	}
	for id := 1; id <= 3; id++ {
		b, err := os.ReadFile(filepath.Join(r.cfg.Dir, "kafka", fmt.Sprint(id), "out"))
		if err == nil {
			err = os.WriteFile(filepath.Join(r.cfg.Dir, "logs", fmt.Sprintf("broker-%d.log", id)), b, 0o644)
		}
		if err != nil {
			r.cfg.Say("a broker's log was not kept: %v", err)
		}
	}
}
