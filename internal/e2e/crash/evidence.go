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

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

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

// story of a user: events, commands, faults, and what the phones noted.
func (r *run) story(ctx context.Context, user string, partition int32) []line {
	var all []line
	add := func(t int64, format string, args ...any) { all = append(all, line{t, fmt.Sprintf(format, args...)}) }
	if r.log != nil {
		err := ledger.Visit(ctx, r.log, eventlog.EventsTopic, func(n int32, e *eventlog.Entry) {
			if e.Event.User == user || n == partition && e.Event.Kind == schemas.Kind_KIND_CLAIMED {
				add(e.Time, "event    %v %s", e.Position, plain(e.Event))
			}
		})
		if err != nil {
			add(0, "the events are not all there: %v", err)
		}
		err = ledger.Visit(ctx, r.log, eventlog.DispatchTopic, func(n int32, e *eventlog.Entry) {
			if e.Command != nil && e.Command.User == user {
				add(e.Time, "command  to gate %d at %v: %s", n, e.Position, prototext.MarshalOptions{}.Format(e.Command))
			}
		})
		if err != nil {
			add(0, "the commands are not all there: %v", err)
		}
	}
	for _, p := range r.phones {
		if p.User != user {
			continue
		}
		for _, n := range p.got() {
			add(n.at.UnixMicro(), "phone    %s was handed push %d of the office at %v (again: %v)", p.name(), n.number, schemas.Position(n.position), n.again)
		}
	}
	if r.office != nil {
		for _, f := range r.plan {
			begin := r.office.begin.Add(f.At)
			add(begin.UnixMicro(), "fault    %s %s", f.Kind, f.Target)
			add(begin.Add(f.For).UnixMicro(), "fault    end of %s %s", f.Kind, f.Target)
		}
		for n := range r.office.pushes {
			if x := &r.office.pushes[n]; x.User == user && !x.accepted.IsZero() {
				add(x.accepted.UnixMicro(), "office   push %d was accepted", n)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return cmp.Compare(a.time, b.time) })
	return all
}

// plain is an event as text, without what the transcript says anyway.
func plain(e *schemas.Event) string {
	e = proto.CloneOf(e)
	e.App, e.Origin, e.Serial = "", 0, 0
	return e.Kind.Word() + " " + prototext.MarshalOptions{}.Format(e)
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
