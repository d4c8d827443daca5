package ingest

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"waybill/internal/eventlog"
)

// intakeMetrics of the topics' door.
type intakeMetrics struct {
	records metric.Int64Counter
	pushes  metric.Int64Counter
	seconds metric.Float64Histogram
	status  map[status]metric.MeasurementOption
}

// waits in seconds: a record that is read at once waits for one fetch, one of an
// ingest that was away for as long as that.
var waits = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 600, 3600}

func newIntakeMetrics(m metric.Meter) (*intakeMetrics, error) {
	if m == nil {
		m = noop.Meter{}
	}
	x := &intakeMetrics{status: make(map[status]metric.MeasurementOption)}
	for _, s := range []status{accepted, refused} {
		x.status[s] = metric.WithAttributeSet(attribute.NewSet(attribute.String("status", string(s))))
	}
	var errs [3]error
	x.records, errs[0] = m.Int64Counter("waybill.ingest.intake.records", metric.WithUnit("{record}"),
		metric.WithDescription("Records of intake topics that were read, by what became of them."))
	x.pushes, errs[1] = m.Int64Counter("waybill.ingest.intake.pushes", metric.WithUnit("{push}"),
		metric.WithDescription("Pushes of accepted records of intake topics."))
	x.seconds, errs[2] = m.Float64Histogram("waybill.ingest.intake.duration", metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(waits...),
		metric.WithDescription("From a record's append to its intake topic until the log has its pushes."))
	return x, errors.Join(errs[:]...)
}

// record counts one that was read.
func (x *intakeMetrics) record(s status, pushes int) {
	x.records.Add(context.Background(), 1, x.status[s])
	if pushes > 0 {
		x.pushes.Add(context.Background(), int64(pushes))
	}
}

// taken measures records that the log has now.
func (x *intakeMetrics) taken(all []eventlog.Entry) {
	now := time.Now().UnixMicro()
	for i := range all {
		x.seconds.Record(context.Background(), float64(max(0, now-all[i].Time))/1e6)
	}
}
