package ingest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"waybill/internal/eventlog"
)

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(w.context()) })
	s, _ := w.serve(func(c *Config) { c.Meter = provider.Meter("ingest") })

	post(t, s, `{"users":["a","b"],"family":1,"json":1}`)
	post(t, s, `{"user":"a","family":0,"json":1}`)
	post(t, s, `{"user":"a","family":1,"json":1}`, "Authorization", "Bearer nobody's")
	w.faults.Fail(eventlog.EventsTopic, eventlog.AllPartitions, errors.New("planted"))
	post(t, s, `{"user":"a","family":1,"json":1}`)

	var got metricdata.ResourceMetrics
	if err := reader.Collect(w.context(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{
		"waybill.ingest.pushes accepted": 2, "waybill.ingest.pushes busy": 1,
		"waybill.ingest.refused bad_request": 1, "waybill.ingest.refused bad_key": 1,
		"waybill.ingest.call.duration": 2,
	}
	if diff := cmp.Diff(want, flatten(got)); diff != "" {
		t.Error(diff)
	}
}

// flatten names each point by its instrument and its attribute, if it has one.
func flatten(all metricdata.ResourceMetrics) map[string]int64 {
	flat := make(map[string]int64)
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					name := m.Name
					for _, a := range p.Attributes.ToSlice() {
						name += " " + a.Value.AsString()
					}
					flat[name] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					flat[m.Name] += int64(p.Count)
				}
			}
		}
	}
	return flat
}
