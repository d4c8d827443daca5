package ingest

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"waybill/schemas"
)

// metrics of the HTTP door. Attributes are made once: an answer is counted on
// the way of every push.
type metrics struct {
	pushes  metric.Int64Counter
	cancels metric.Int64Counter
	refused metric.Int64Counter
	seconds metric.Float64Histogram

	accepted, busy, unknown, checked metric.MeasurementOption
	reasons                          map[schemas.Reason]metric.MeasurementOption
}

// latencies in seconds: half a millisecond is a good append, ten seconds the
// end of a call.
var latencies = []float64{.0005, .001, .002, .003, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(m metric.Meter) (*metrics, error) {
	if m == nil {
		m = noop.Meter{}
	}
	with := func(key, value string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))
	}
	x := &metrics{
		accepted: with("status", string(accepted)),
		busy:     with("status", string(busy)),
		unknown:  with("status", string(unknown)),
		checked:  with("status", string(checked)),
		reasons:  make(map[schemas.Reason]metric.MeasurementOption),
	}
	for _, r := range []schemas.Reason{schemas.Reason_REASON_BAD_REQUEST, schemas.Reason_REASON_BAD_KEY, schemas.Reason_REASON_LOG_AWAY, schemas.Reason_REASON_NOT_FOUND} {
		x.reasons[r] = with("reason", r.Word())
	}
	var err error
	if x.pushes, err = m.Int64Counter("waybill.ingest.pushes", metric.WithUnit("{push}"),
		metric.WithDescription("Pushes of well-formed calls, by what the answer said of them.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if x.cancels, err = m.Int64Counter("waybill.ingest.cancels", metric.WithUnit("{cancel}"),
		metric.WithDescription("Cancels of well-formed calls, by what the answer said of them.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if x.refused, err = m.Int64Counter("waybill.ingest.refused", metric.WithUnit("{request}"),
		metric.WithDescription("Calls, and lines of streams, of which nothing was taken, by reason.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if x.seconds, err = m.Float64Histogram("waybill.ingest.call.duration", metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(latencies...),
		metric.WithDescription("From a call or line that was read to its answer.")); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	return x, nil
}

// answered counts one call or line, of pushes or of cancels.
func (x *metrics) answered(t tally, began time.Time, cancel bool) {
	ctx := context.Background() // the measurement outlives the call
	counter := x.pushes
	if cancel {
		counter = x.cancels
	}
	count := func(n int, with metric.MeasurementOption) {
		if n > 0 {
			counter.Add(ctx, int64(n), with)
		}
	}
	count(t.accepted, x.accepted)
	count(t.busy, x.busy)
	count(t.unknown, x.unknown)
	count(t.checked, x.checked)
	x.seconds.Record(ctx, time.Since(began).Seconds())
}

func (x *metrics) refuse(r schemas.Reason) {
	x.refused.Add(context.Background(), 1, x.reasons[r])
}
