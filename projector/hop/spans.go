package hop

import (
	"context"
	"encoding/binary"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// spans exports those of a flush, if anybody wants them.
func (f *flush) spans(tracer trace.Tracer) {
	if tracer == nil {
		return
	}
	for _, pushes := range f.pushes {
		spans(tracer, pushes)
	}
}

// spans exports the way of each push that has ended as a whole to whoever runs
// a tracing system: one span for the push, under the caller's own span, and one
// for each step that it reached. The trace id is the waybill's. A flush that
// is repeated exports its spans again; ClickHouse is what is exact.
func spans(tracer trace.Tracer, pushes []pushRow) {
	for i := range pushes {
		if p := &pushes[i]; p.version == pushEnded && !p.trace.IsZero() {
			pushSpans(tracer, p)
		}
	}
}

func pushSpans(tracer trace.Tracer, p *pushRow) {
	ctx, whole := tracer.Start(underTrace(p), "push", trace.WithTimestamp(clock(p.steps.accepted)),
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("app", p.app), attribute.String("user", p.user), attribute.String("label", p.label),
			attribute.String("class", p.class), attribute.String("reason", p.reason), attribute.Int("attempt", int(p.attempt)),
			attribute.String("push_id", p.push.String())))
	last := p.steps.accepted
	for _, step := range [...]struct {
		name string
		at   int64
	}{{"dispatched", p.steps.dispatched}, {"sent", p.steps.sent}, {"acked", p.steps.delivered}} {
		if step.at == 0 {
			continue
		}
		_, s := tracer.Start(ctx, step.name, trace.WithTimestamp(clock(last)))
		s.End(trace.WithTimestamp(clock(step.at)))
		last = step.at
	}
	whole.End(trace.WithTimestamp(clock(p.ended)))
}

// underTrace is a context in the push's trace, sampled: what is exported has
// been asked for. The parent is the caller's span where the call named one.
func underTrace(p *pushRow) context.Context {
	parent := trace.SpanContextConfig{TraceID: trace.TraceID(p.trace), TraceFlags: trace.FlagsSampled, Remote: true}
	binary.BigEndian.PutUint64(parent.SpanID[:], p.span)
	if p.span == 0 {
		copy(parent.SpanID[:], p.push[8:]) // a parent that nobody has: the span becomes a root of its own
	}
	return trace.ContextWithRemoteSpanContext(context.Background(), trace.NewSpanContext(parent))
}

func clock(micros int64) time.Time { return time.UnixMicro(micros) }
