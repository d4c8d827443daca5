package eventlog

import (
	"errors"
	"testing"

	"waybill/schemas"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestMetrics(t *testing.T) {
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	faults := new(Faults)
	l := startBroker(t).open(Config{Faults: faults, Meter: provider.Meter("test")})
	a := appender(t, l, AppenderConfig{})
	must(t, a, event(userOf(0), 1))
	must(t, a, event(userOf(0), 2))
	raw(t, l, &kgo.Record{Topic: EventsTopic, Key: schemas.Key("app", userOf(0)), Value: []byte("no message")})
	faults.Fail(EventsTopic, 1, errors.New("down"))
	if err := a.Append(event(userOf(1), 3), nil); err == nil {
		t.Fatal("a failing partition took a record")
	}
	follow(t, l, EventsTopic, 0, FromStart, nil).offset(3)

	want := map[string]int64{
		"waybill.log.appended waybill.events":             2,
		"waybill.log.append.duration waybill.events":      2,
		"waybill.log.refused waybill.events fault":        1,
		"waybill.log.read waybill.events":                 2,
		"waybill.log.left_out waybill.events undecodable": 1,
		"waybill.log.lag waybill.events":                  0,
	}
	if diff := cmp.Diff(want, collect(t, reader)); diff != "" {
		t.Error(diff)
	}
}

// collect is every number, by instrument, topic and reason.
func collect(t *testing.T, reader metric.Reader) map[string]int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]int64)
	for _, m := range all.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				got[label(m.Name, p.Attributes)] = p.Value
			}
		case metricdata.Gauge[int64]:
			for _, p := range data.DataPoints {
				got[label(m.Name, p.Attributes)] = p.Value * 0 // it moves a moment after the batch
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				got[label(m.Name, p.Attributes)] = int64(p.Count)
			}
		}
	}
	return got
}

func label(name string, set attribute.Set) string {
	for _, key := range []attribute.Key{"topic", "reason"} {
		if v, ok := set.Value(key); ok {
			name += " " + v.AsString()
		}
	}
	return name
}
