package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"waybill/schemas"
)

// meters are the worker's instruments; with a nil Meter they count nothing.
// Attribute sets are made once: they cost more than the counting.
type meters struct {
	events    metric.Int64Counter
	commands  metric.Int64Counter
	decisions metric.Int64Counter
	outcomes  metric.Int64Counter
	closes    metric.Int64Counter
	users     metric.Int64UpDownCounter
	returns   metric.Int64Counter
	loads     metric.Float64Histogram

	mu    sync.Mutex
	kinds map[schemas.Kind]metric.MeasurementOption
	ends  map[ending]metric.MeasurementOption
}

// ending is what outcomes are counted by.
type ending struct {
	class  schemas.Class
	reason schemas.Reason
}

func newMeters(m metric.Meter) (*meters, error) {
	if m == nil {
		m = noop.NewMeterProvider().Meter("")
	}
	x := &meters{kinds: make(map[schemas.Kind]metric.MeasurementOption), ends: make(map[ending]metric.MeasurementOption)}
	var errs []error
	counter := func(name, what string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithDescription(what))
		errs = append(errs, err)
		return c
	}
	x.events = counter("waybill.delivery.events", "Events folded.")
	x.commands = counter("waybill.delivery.commands", "Commands put out.")
	x.decisions = counter("waybill.delivery.decisions", "Decisions put out, by kind.")
	x.outcomes = counter("waybill.delivery.outcomes", "Outcomes put out, by class and reason.")
	x.closes = counter("waybill.delivery.closes", "Connections that gates were told to close, by reason.")
	x.returns = counter("waybill.delivery.returns", "Users who came back into memory from rows.")
	var err error
	x.users, err = m.Int64UpDownCounter("waybill.delivery.mailboxes", metric.WithDescription("Users of the partitions owned, by state: present in memory, or absent."))
	errs = append(errs, err)
	x.loads, err = m.Float64Histogram("waybill.delivery.load.duration", metric.WithUnit("s"),
		metric.WithDescription("Time to read rows, by what: a partition at takeover, or users."),
		metric.WithExplicitBucketBoundaries(.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10))
	errs = append(errs, err)
	return x, errors.Join(errs...)
}

// mailboxes tells by how many users more or less there are.
func (x *meters) mailboxes(here, away int64) {
	if here != 0 {
		x.users.Add(context.Background(), here, metric.WithAttributes(attribute.String("state", "present")))
	}
	if away != 0 {
		x.users.Add(context.Background(), away, metric.WithAttributes(attribute.String("state", "absent")))
	}
}

func (x *meters) recalled(back int, took time.Duration) {
	x.returns.Add(context.Background(), int64(back))
	x.loads.Record(context.Background(), took.Seconds(), metric.WithAttributes(attribute.String("what", "users")))
}

func (x *meters) tookOver(took time.Duration) {
	x.loads.Record(context.Background(), took.Seconds(), metric.WithAttributes(attribute.String("what", "partition")))
}

func (x *meters) read(n int) { x.events.Add(context.Background(), int64(n)) }

func (x *meters) commanded(n int) {
	if n > 0 {
		x.commands.Add(context.Background(), int64(n))
	}
}

func (x *meters) closed(reason schemas.Reason) {
	x.closes.Add(context.Background(), 1, metric.WithAttributes(attribute.String("reason", reason.Word())))
}

func (x *meters) decided(e *schemas.Event) {
	x.decisions.Add(context.Background(), 1, x.kindOption(e.Kind))
}

// tally counts the outcomes of one flush before the instruments are told. Few
// kinds of them occur, so they are looked for one by one.
type tally []tallied

type tallied struct {
	ending
	n int64
}

func (t *tally) outcome(e *schemas.Event) {
	k := ending{e.Outcome.Class, e.Outcome.Reason}
	for i := range *t {
		if (*t)[i].ending == k {
			(*t)[i].n++
			return
		}
	}
	*t = append(*t, tallied{k, 1})
}

// ended tells the instruments, and empties the tally.
func (x *meters) ended(t *tally) {
	for _, k := range *t {
		x.outcomes.Add(context.Background(), k.n, x.endOption(k.ending))
	}
	*t = (*t)[:0]
}

func (x *meters) endOption(k ending) metric.MeasurementOption {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, ok := x.ends[k]
	if !ok {
		o = metric.WithAttributeSet(attribute.NewSet(
			attribute.String("class", k.class.Word()), attribute.String("reason", k.reason.Word())))
		x.ends[k] = o
	}
	return o
}

func (x *meters) kindOption(k schemas.Kind) metric.MeasurementOption {
	x.mu.Lock()
	defer x.mu.Unlock()
	o, ok := x.kinds[k]
	if !ok {
		o = metric.WithAttributeSet(attribute.NewSet(attribute.String("kind", k.Word())))
		x.kinds[k] = o
	}
	return o
}
