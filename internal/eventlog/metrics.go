package eventlog

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// metrics are the instruments of one Log. Attribute sets are made once for each
// topic and reason: the hot path allocates none.
type metrics struct {
	appended metric.Int64Counter
	failed   metric.Int64Counter
	latency  metric.Float64Histogram
	refused  metric.Int64Counter
	left     metric.Int64Counter
	read     metric.Int64Counter
	lag      metric.Int64ObservableGauge
	meter    metric.Meter

	sets sync.Map // [2]string{topic, reason} → metric.MeasurementOption
}

func newMetrics(meter metric.Meter) (*metrics, error) {
	if meter == nil {
		meter = noop.Meter{}
	}
	m := &metrics{meter: meter}
	var errs [7]error
	m.appended, errs[0] = meter.Int64Counter("waybill.log.appended", metric.WithDescription("Records that the log has taken."))
	m.failed, errs[1] = meter.Int64Counter("waybill.log.failed", metric.WithDescription("Records that were accepted and are in doubt."))
	m.latency, errs[2] = meter.Float64Histogram("waybill.log.append.duration", metric.WithUnit("s"), metric.WithDescription("Time from append to the broker's answer, of the oldest of each burst."),
		metric.WithExplicitBucketBoundaries(.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10))
	m.refused, errs[3] = meter.Int64Counter("waybill.log.refused", metric.WithDescription("Appends that were refused at once, by reason."))
	m.left, errs[4] = meter.Int64Counter("waybill.log.left_out", metric.WithDescription("Records that were read and left out: repeat, misplaced, undecodable."))
	m.read, errs[5] = meter.Int64Counter("waybill.log.read", metric.WithDescription("Records that were handed to a reader."))
	m.lag, errs[6] = meter.Int64ObservableGauge("waybill.log.lag", metric.WithDescription("Records between a reader and the end of its partition."))
	return m, errors.Join(errs[:]...)
}

// set makes the attributes of a topic and a reason, once.
func (m *metrics) set(topic, reason string) metric.MeasurementOption {
	at := [2]string{topic, reason}
	if v, ok := m.sets.Load(at); ok {
		return v.(metric.MeasurementOption)
	}
	attrs := []attribute.KeyValue{attribute.String("topic", topic)}
	if reason != "" {
		attrs = append(attrs, attribute.String("reason", reason))
	}
	v, _ := m.sets.LoadOrStore(at, metric.WithAttributeSet(attribute.NewSet(attrs...)))
	return v.(metric.MeasurementOption)
}

func (m *metrics) refuse(topic string, why refusal) {
	if why == refusedUnknown {
		topic = "" // a caller's mistake makes no new series
	}
	m.refused.Add(context.Background(), 1, m.set(topic, string(why)))
}

// burst is the records of one partition that have ended since the instruments
// were told.
type burst struct {
	appended, failed int64
	oldest           time.Duration // what the first of those that were appended took
}

const burstMost = 64

// add counts the end of a record that was accepted then. Records end in order,
// so the first is the oldest; the clock is read for it alone.
func (b *burst) add(accepted time.Time, err error) {
	if err != nil {
		b.failed++
		return
	}
	if b.appended == 0 {
		b.oldest = time.Since(accepted)
	}
	b.appended++
}

// ended counts the ends of accepted records.
func (m *metrics) ended(topic string, b burst) {
	set := m.set(topic, "")
	if b.failed > 0 {
		m.failed.Add(context.Background(), b.failed, set)
	}
	if b.appended > 0 {
		m.appended.Add(context.Background(), b.appended, set)
		m.latency.Record(context.Background(), b.oldest.Seconds(), set)
	}
}

// batch counts what a partition yielded.
func (m *metrics) batch(topic string, b *Batch) {
	m.read.Add(context.Background(), int64(len(b.Entries)), m.set(topic, ""))
	for _, x := range [...]struct {
		reason string
		n      int
	}{{"repeat", b.Repeats}, {"misplaced", b.Misplaced}, {"undecodable", b.Undecodable}} {
		if x.n > 0 {
			m.left.Add(context.Background(), int64(x.n), m.set(topic, x.reason))
		}
	}
}
