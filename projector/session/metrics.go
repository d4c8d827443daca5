package session

import (
	"context"
	"errors"
	"time"

	"waybill/internal/snapshot"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// metrics are counted by batch and by flush, never by event.
type metrics struct {
	events   metric.Int64Counter
	rows     metric.Int64Counter
	fenced   metric.Int64Counter
	duration metric.Float64Histogram
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	if meter == nil {
		meter = noop.Meter{}
	}
	m := &metrics{}
	var errs [4]error
	m.events, errs[0] = meter.Int64Counter("waybill.projector.session.events", metric.WithDescription("Events that were folded."))
	m.rows, errs[1] = meter.Int64Counter("waybill.projector.session.rows", metric.WithDescription("Rows that were written or deleted."))
	m.fenced, errs[2] = meter.Int64Counter("waybill.projector.session.fenced", metric.WithDescription("Flushes that were refused: the projection stood elsewhere."))
	m.duration, errs[3] = meter.Float64Histogram("waybill.projector.session.flush.duration", metric.WithUnit("s"),
		metric.WithDescription("Time to store one cut, tries included."),
		metric.WithExplicitBucketBoundaries(.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 60))
	return m, errors.Join(errs[:]...)
}

func (m *metrics) folded(n int) { m.events.Add(context.Background(), int64(n)) }

// flushed counts a cut that has been committed.
func (m *metrics) flushed(c *snapshot.Cut, took time.Duration) {
	m.rows.Add(context.Background(), int64(c.Rows()))
	m.duration.Record(context.Background(), took.Seconds())
}

func (m *metrics) refused() { m.fenced.Add(context.Background(), 1) }
