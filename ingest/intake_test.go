package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"waybill/internal/control"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// takeIn runs an intake on a view of its own.
func (w *world) takeIn(edit ...func(*IntakeConfig)) (stop func()) {
	w.t.Helper()
	view := control.Open(w.log)
	w.run(view.Run)
	cfg := IntakeConfig{Log: w.log, Control: view, Node: "ingest-1@test", Session: 6 * time.Second}
	for _, f := range edit {
		f(&cfg)
	}
	x, err := NewIntake(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.run(x.Run)
}

// produce appends records to partition 2 of the app's intake topic, as a
// client that hashes nothing.
func (w *world) produce(headers []eventlog.Header, values ...string) (offsets []int64) {
	w.t.Helper()
	a, err := w.log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer a.Close()
	for _, v := range values {
		at, err := a.AppendWait(w.context(), eventlog.Record{
			Topic: eventlog.IntakeTopic("freight"), Partition: 2, Value: []byte(v), Headers: headers, Stamp: eventlog.NoStamp,
		})
		if err != nil {
			w.t.Fatal(err)
		}
		offsets = append(offsets, int64(at.Position)-1)
	}
	return offsets
}

// A record is a push of the API under another roof: its fields mean the same,
// and what it leaves open follows from its place.
func TestIntake(t *testing.T) {
	w := newWorld(t)
	w.takeIn()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	offsets := w.produce([]eventlog.Header{{Key: "traceparent", Value: []byte(parent)}},
		`{"user":"driver-1","device":"phone","family":7,"command":258,"json":{"order":1},"ttl":0,"label":"order","push_id":"o-1"}`,
		`{"users":["a","b"],"family":1,"body":"aGk="}`)
	byUser := make(map[string]*schemas.Event)
	for _, r := range w.read(eventlog.EventsTopic, 3) {
		byUser[r.Event.User] = r.Event
		if got := string(r.Key); got != "freight/"+r.Event.User {
			t.Errorf("key %q", got)
		}
		if schemas.IDFrom(r.Event.TraceId).String() != parent[3:35] || fmt.Sprintf("%x", r.Event.ParentSpan) != parent[36:52] {
			t.Errorf("trace %x, span %x, want those of the header", r.Event.TraceId, r.Event.ParentSpan)
		}
	}
	one := byUser["driver-1"]
	if p := one.GetPushed(); p == nil || one.Device != "phone" || p.Family != 7 || p.Command != 258 || string(p.Body) != `{"order":1}` ||
		p.Ttl != 0 || p.Label != "order" || p.Name != "o-1" || schemas.IDFrom(p.PushId) != schemas.NamedID("freight", "driver-1", "o-1") {
		t.Errorf("event %+v", one)
	}
	for _, user := range []string{"a", "b"} {
		p := byUser[user].GetPushed()
		if !strings.HasPrefix(p.GetName(), fmt.Sprintf("intake:2:%d:", offsets[1])) || schemas.IDFrom(p.PushId) != schemas.NamedID("freight", user, p.Name) {
			t.Errorf("of %s the push %+v, want a name that follows from the record's place", user, p)
		}
		if p.GetTtl() > DefaultTTL*1000 || p.GetTtl() < DefaultTTL*1000-patience.Milliseconds() || string(p.Body) != "hi" {
			t.Errorf("of %s the push %+v", user, p)
		}
	}
}

// A bad record is refused, said, counted and passed over.
func TestIntakeRefuses(t *testing.T) {
	w := newWorld(t)
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(w.context()) })
	w.takeIn(func(c *IntakeConfig) { c.Meter = provider.Meter("ingest") })
	bad := []struct{ value, user, say string }{
		{"", "", "the body is empty"},
		{"\xff\x00", "", "the body has no value"},
		{`[{"user":"a","family":1,"json":1}]`, "", "is an array"},
		{`{"user":"a","family":1,"json":1,"ttl":-1}`, "a", "ttl is negative"},
		{`{"user":"a","family":1,"json":1,"dry_run":true}`, "a", "dry_run is true"},
		{`{"user":"a","push_id":"o-1"}`, "a", "family is missing"},
		{`{"users":["a",1],"family":1,"json":1}`, "", "users[1] is a number"},
	}
	var values []string
	for _, b := range bad {
		values = append(values, b.value)
	}
	w.produce(nil, append(values, `{"user":"a","family":1,"json":"good"}`)...)
	all := w.read(eventlog.EventsTopic, len(bad)+1)
	found := make(map[string]*schemas.Event)
	for _, r := range all {
		if e := r.Event; e.Kind == schemas.Kind_KIND_REFUSED {
			_, say, _ := strings.Cut(e.Refused.Detail, ": ")
			found[say] = e
			if e.Refused.Reason != schemas.Reason_REASON_BAD_REQUEST || e.Refused.What != "push" || schemas.IDFrom(e.TraceId).IsZero() {
				t.Errorf("refused %+v", e)
			}
		} else if string(e.GetPushed().GetBody()) != `"good"` {
			t.Errorf("event %+v", e)
		}
	}
	for n, b := range bad {
		var e *schemas.Event
		for say := range found {
			if strings.Contains(say, b.say) {
				e = found[say]
			}
		}
		if e == nil || e.User != b.user || !strings.Contains(e.Refused.Detail, fmt.Sprintf("offset %d of partition 2", n)) {
			t.Errorf("%s: refused as %+v, want of %q, with the place and %q", b.value, e, b.user, b.say)
		}
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(w.context(), &got); err != nil {
		t.Fatal(err)
	}
	have := flatten(got)
	if n := have["waybill.ingest.intake.records refused"]; n != int64(len(bad)) {
		t.Errorf("metrics %v, want %d records refused", have, len(bad))
	}
}

// A log that takes nothing for a while gets everything later, in order.
func TestIntakeWaitsForTheLog(t *testing.T) {
	w := newWorld(t)
	w.takeIn()
	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
	var values []string
	for n := range 50 {
		values = append(values, fmt.Sprintf(`{"user":"a","family":1,"json":%d}`, n))
	}
	w.produce(nil, values...)
	w.faults.Clear()
	for n, r := range w.read(eventlog.EventsTopic, len(values)) {
		if string(r.Event.Pushed.Body) != fmt.Sprint(n) {
			t.Fatalf("event %d is %s", n, r.Event.Pushed.Body)
		}
	}
}

// The next member goes on behind what was stored: nothing is left out, and a
// record that is read again has the ids that it had.
func TestIntakeGoesOn(t *testing.T) {
	w := newWorld(t)
	stop := w.takeIn()
	w.produce(nil, `{"user":"a","family":1,"json":1}`)
	first := w.read(eventlog.EventsTopic, 1)[0]
	stop()
	w.produce(nil, `{"user":"a","family":1,"json":2}`)
	w.takeIn()
	all := w.read(eventlog.EventsTopic, 2)
	if got := string(all[1].Event.Pushed.Body); got != "2" {
		t.Errorf("the second push is %s: the first was read again", got)
	}

	// The offset is lost: everything is read again.
	var again []*draft
	err := w.log.Follow(w.context(), eventlog.FollowConfig{Topic: eventlog.IntakeTopic("freight"), Partitions: []int32{2}, Serve: func(ctx context.Context, p *eventlog.Partition) error {
		if err := p.Start(eventlog.FromStart, nil); err != nil {
			return err
		}
		batch, err := p.Next(ctx)
		if err != nil {
			return err
		}
		m, err := newIntakeMetrics(nil)
		if err != nil {
			return err
		}
		x := &taking{Intake: &Intake{metrics: m}, partition: p, app: "freight", refusals: newBucket()}
		x.read(&batch.Entries[0])
		again = x.drafts
		return nil
	}})
	if err != nil || len(again) != 1 {
		t.Fatalf("read again: %v, %d drafts", err, len(again))
	}
	type ids struct {
		Push, Trace schemas.ID
		Digest      uint64
	}
	e := again[0].event
	had := ids{schemas.IDFrom(first.Event.Pushed.PushId), schemas.IDFrom(first.Event.TraceId), first.Event.Pushed.Digest}
	if diff := cmp.Diff(had, ids{again[0].id, schemas.IDFrom(e.TraceId), e.Pushed.Digest}); diff != "" {
		t.Error(diff)
	}
}

// What the log has not taken is read again by the next member: the offset is
// stored behind it only then.
func TestIntakeStoresAfterTheAppend(t *testing.T) {
	w := newWorld(t)
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(w.context()) })
	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
	stop := w.takeIn(func(c *IntakeConfig) { c.Meter = provider.Meter("ingest") })
	w.produce(nil, `{"user":"a","family":1,"json":1}`)
	tick, ctx := time.NewTicker(10*time.Millisecond), w.context()
	defer tick.Stop()
	for read := int64(0); read == 0; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the record was not read")
		}
		var got metricdata.ResourceMetrics
		if err := reader.Collect(ctx, &got); err != nil {
			t.Fatal(err)
		}
		read = flatten(got)["waybill.ingest.intake.records accepted"]
	}
	stop()
	w.faults.Clear()
	w.takeIn()
	if got := w.read(eventlog.EventsTopic, 1)[0].Event; string(got.GetPushed().GetBody()) != "1" {
		t.Errorf("event %+v", got)
	}
}

func TestTTLLeft(t *testing.T) {
	const now = 1_000_000_000_000
	for _, c := range []struct {
		what string
		r    request
		ago  time.Duration // of the append
		want int64
	}{
		{"taken at once", request{ttl: 5000}, 0, 5000},
		{"waited", request{ttl: 5000}, 2 * time.Second, 3000},
		{"ran out", request{ttl: 5000}, time.Minute, 0},
		{"now or never", request{}, time.Minute, 0},
		{"not due yet", request{ttl: 5000, deliverAt: now + 1}, time.Minute, 5000},
		{"became due while it waited", request{ttl: 5000, passed: now - 1e6}, time.Minute, 4000},
		{"the brokers' clock is ahead", request{ttl: 5000}, -time.Minute, 5000},
	} {
		if got := c.r.ttlLeft(now-c.ago.Microseconds(), now); got != c.want {
			t.Errorf("%s: %d ms left, want %d", c.what, got, c.want)
		}
	}
}

func TestBucket(t *testing.T) {
	b, now, n := newBucket(), time.Unix(1, 0), 0
	for b.take(now) {
		n++
	}
	if n != bucketSize {
		t.Errorf("%d at once, want %d", n, bucketSize)
	}
	if now = now.Add(time.Second); !b.take(now) || b.tokens > bucketRate {
		t.Errorf("after a second %v are left, want less than %d", b.tokens, bucketRate)
	}
}
