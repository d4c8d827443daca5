package ingest

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

const (
	// takeAtOnce pushes are on their way together: half of what one partition of
	// waybill.events takes, and more than an append's millisecond needs.
	takeAtOnce = 4096
	// What the log refuses is said again after a pause that doubles up to the
	// longest: a partition that lost its leader is back in a second or two.
	shortestPause = 20 * time.Millisecond
	longestPause  = time.Second
	// leaveWait is how long what is on its way has when the partition is taken
	// away: less than the rebalance waits.
	leaveWait = 3 * time.Second
)

// taking is one assignment of one intake partition. All of it belongs to the
// goroutine that serves the partition.
type taking struct {
	*Intake
	partition *eventlog.Partition
	app       string
	refusals  *bucket
	drafts    []*draft // of records that were read, not yet in the log
}

// draft is one event on its way into the log: a push to one user, or a refusal.
type draft struct {
	push
	event *schemas.Event // its record's: shared by the record's users
}

// records puts all of them into the log, in order, whatever it takes.
func (t *taking) records(ctx context.Context, all []eventlog.Entry) error {
	for i := range all {
		t.read(&all[i])
		if len(t.drafts) >= takeAtOnce {
			if err := t.put(ctx); err != nil {
				return err
			}
		}
	}
	if err := t.put(ctx); err != nil {
		return err
	}
	t.metrics.taken(all)
	return nil
}

// read makes drafts of one record. A bad one is refused and holds nothing up.
func (t *taking) read(r *eventlog.Entry) {
	request, bad := parseRecord(r)
	from := origin{topic: t.partition.Topic(), partition: t.partition.Number(), offset: r.Offset, time: r.Time}
	if request.trace.id.IsZero() {
		request.trace.id = from.traceID()
	}
	if bad != nil {
		t.refuse(from, request, bad)
		return
	}
	if request.name == "" {
		request.name = from.name()
	}
	now := time.Now()
	e := request.pushed(t.cfg.Node, t.app)
	e.Time = now.UnixMicro()
	e.Pushed.Ttl = request.ttlLeft(r.Time, e.Time)
	for _, user := range request.users {
		d := &draft{event: e}
		d.user, d.id = user, request.pushID(t.app, user, now)
		t.drafts = append(t.drafts, d)
	}
	t.metrics.record(accepted, len(request.users))
}

// refuse says in the log what is wrong with a record, as far as the bound
// allows.
func (t *taking) refuse(from origin, r *request, bad *Violation) {
	t.metrics.record(refused, 0)
	now := time.Now()
	if !t.refusals.take(now) {
		return
	}
	d := &draft{event: &schemas.Event{
		Kind: schemas.Kind_KIND_REFUSED, App: t.app, Node: t.cfg.Node, Time: now.UnixMicro(),
		TraceId: r.trace.id[:], ParentSpan: r.trace.parentSpan(),
		Refused: &schemas.Refused{
			Reason: schemas.Reason_REASON_BAD_REQUEST, What: "push",
			Detail: fmt.Sprintf("the record at offset %d of partition %d of %s: %s", from.offset, from.partition, from.topic, bad.Error()),
		},
	}}
	if r.has("user") && len(r.users) == 1 {
		d.user = r.users[0]
	}
	t.drafts = append(t.drafts, d)
}

// put says the drafts again until the log has all of them.
func (t *taking) put(ctx context.Context) error {
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		t.round(ctx)
		if len(t.drafts) == 0 {
			return nil
		}
		t.partition.Alive()
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// round hands the drafts over once, waits for their end, and keeps those that
// the log does not have. Of a user of whom one was refused, none of the later
// ones is handed over, so that what gets into the log is in order.
func (t *taking) round(ctx context.Context) {
	b := newBatch(t.app, 0)
	for _, d := range t.drafts {
		d.batch = b
		d.state.Store(waiting)
		d.event.User = d.user
		if d.event.Pushed != nil {
			d.event.Pushed.PushId = d.id[:]
		}
		b.append(t.appender, &d.push, d.event)
	}
	b.leave()
	t.await(ctx, b)
	left := t.drafts[:0]
	for _, d := range t.drafts {
		if d.state.Load() != inLog {
			left = append(left, d)
		}
	}
	clear(t.drafts[len(left):])
	t.drafts = left
}

// await the end of all that is on its way; when the partition is taken away,
// for a while only.
func (t *taking) await(ctx context.Context, b *batch) {
	alive := time.NewTicker(10 * time.Second)
	defer alive.Stop()
	for {
		select {
		case <-b.ended:
			return
		case <-alive.C:
			t.partition.Alive()
		case <-ctx.Done():
			select {
			case <-b.ended:
			case <-time.After(leaveWait):
			}
			return
		}
	}
}

// parseRecord reads a record's value as one call of one object. The request is
// never nil: of a bad one it holds what could be read.
func parseRecord(r *eventlog.Entry) (*request, *Violation) {
	q := new(request)
	bad := parseOne(q, string(r.Value))
	switch {
	case bad != nil:
	case len(r.Value) > MaxLine:
		bad = violation("", "is longer than a record may be", "1 MiB (1048576 bytes)")
	case q.dry:
		bad = violation("dry_run", "is true", "no dry run: a topic has no answer")
	}
	for _, h := range r.Headers {
		if trace, ok := parseTraceparent(string(h.Value)); ok && h.Key == "traceparent" && q.trace.id.IsZero() {
			q.trace = trace
		}
	}
	return q, bad
}

// ttlLeft is what is left of the ttl when the record, which was appended then,
// is taken now: it runs from the caller's own append, or from deliver_at. One
// that ran out in the topic goes to whoever is connected at that moment, as
// one of 0 does. In milliseconds; times in microseconds.
func (r *request) ttlLeft(appended, now int64) int64 {
	if r.ttl == 0 || r.deliverAt > 0 {
		return r.ttl
	}
	waited := max(0, now-max(appended, r.passed)) / 1000
	return max(0, r.ttl-waited)
}
