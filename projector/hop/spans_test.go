package hop

import (
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func TestSpansOfAnEndedPush(t *testing.T) {
	kept := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept)).Tracer("test")
	spans(tracer, []pushRow{
		{trace: testTrace, version: pushAccepted}, // in flight: nothing yet
		{trace: testTrace, push: testPush, span: 258, version: pushEnded, ended: 50, class: "delivered",
			steps: steps{accepted: 10, dispatched: 20, sent: 30, delivered: 40}},
	})
	want := []struct {
		name     string
		from, to int64
	}{{"dispatched", 10, 20}, {"sent", 20, 30}, {"acked", 30, 40}, {"push", 10, 50}}
	got := kept.GetSpans()
	if len(got) != len(want) {
		t.Fatalf("%d spans, want %d", len(got), len(want))
	}
	for i, w := range want {
		s := got[i]
		if s.Name != w.name || s.StartTime.UnixMicro() != w.from || s.EndTime.UnixMicro() != w.to {
			t.Errorf("span %q from %d to %d, want %v", s.Name, s.StartTime.UnixMicro(), s.EndTime.UnixMicro(), w)
		}
		if s.SpanContext.TraceID() != trace.TraceID(testTrace) {
			t.Errorf("span %q is in trace %v, want the waybill's", s.Name, s.SpanContext.TraceID())
		}
	}
	if parent := got[3].Parent.SpanID(); parent != (trace.SpanID{6: 1, 7: 2}) {
		t.Errorf("the push's parent is %v, want the caller's span", parent)
	}
}
