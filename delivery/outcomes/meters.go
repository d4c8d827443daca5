package outcomes

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"waybill/schemas"
)

// meters are the feed's instruments. How far it is behind is waybill.log.lag of
// its group.
type meters struct {
	records metric.Int64Counter
	waiting metric.Int64UpDownCounter
	jumps   metric.Int64Counter
	what    [told]metric.MeasurementOption
}

// tally counts what a batch told, by class; nobody_connected is none of them.
type tally [told]int64

const (
	toldNobody = int(schemas.Class_CLASS_UNSPECIFIED)
	told       = int(schemas.Class_CLASS_UNCONFIRMED) + 1
)

func (t *tally) count(e *schemas.Event) {
	if n := int(e.Outcome.GetClass()); n < told {
		t[n]++
	}
}

func newMeters(m metric.Meter) (*meters, error) {
	if m == nil {
		m = noop.Meter{}
	}
	x := &meters{}
	var errs [3]error
	x.records, errs[0] = m.Int64Counter("waybill.outcomes.records", metric.WithDescription("Records for waybill.outcomes.<app>: outcomes by class, and nobody_connected."))
	x.waiting, errs[1] = m.Int64UpDownCounter("waybill.outcomes.waiting", metric.WithDescription("Records that wait because an app's topic takes none."))
	x.jumps, errs[2] = m.Int64Counter("waybill.outcomes.jumps", metric.WithDescription("Partitions of which the log did not hold what was to be told next."))
	for n := range x.what {
		word := typeNobody
		if n != toldNobody {
			word = schemas.Class(n).Word()
		}
		x.what[n] = metric.WithAttributeSet(attribute.NewSet(attribute.String("class", word)))
	}
	return x, errors.Join(errs[:]...)
}

func (x *meters) told(t *tally) {
	for n, count := range t {
		if count > 0 {
			x.records.Add(context.Background(), count, x.what[n])
		}
	}
}

func (x *meters) wait(more int) {
	if more != 0 {
		x.waiting.Add(context.Background(), int64(more))
	}
}

func (x *meters) jumped() { x.jumps.Add(context.Background(), 1) }
