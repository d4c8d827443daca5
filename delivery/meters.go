package delivery

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"waybill/schemas"
)

// meters are the worker's instruments; with a nil Meter they count nothing.
type meters struct {
	events    metric.Int64Counter
	commands  metric.Int64Counter
	decisions metric.Int64Counter
	outcomes  metric.Int64Counter
}

func newMeters(m metric.Meter) (*meters, error) {
	if m == nil {
		m = noop.NewMeterProvider().Meter("")
	}
	var x meters
	var err error
	counter := func(name, what string) metric.Int64Counter {
		c, e := m.Int64Counter(name, metric.WithDescription(what))
		if e != nil {
			err = e
		}
		return c
	}
	x.events = counter("waybill_delivery_events", "Events folded, by partition.")
	x.commands = counter("waybill_delivery_commands", "Commands put out.")
	x.decisions = counter("waybill_delivery_decisions", "Decisions put out, by kind.")
	x.outcomes = counter("waybill_delivery_outcomes", "Outcomes put out, by class and reason.")
	return &x, err
}

func (x *meters) read(partition int32, n int) {
	x.events.Add(context.Background(), int64(n), metric.WithAttributes(attribute.Int("partition", int(partition))))
}

func (x *meters) commanded(n int) {
	if n > 0 {
		x.commands.Add(context.Background(), int64(n))
	}
}

func (x *meters) decided(e *schemas.Event) {
	if e.Kind != schemas.Kind_KIND_OUTCOME {
		x.decisions.Add(context.Background(), 1, metric.WithAttributes(attribute.String("kind", e.Kind.Word())))
		return
	}
	x.outcomes.Add(context.Background(), 1, metric.WithAttributes(
		attribute.String("class", e.Outcome.Class.Word()), attribute.String("reason", e.Outcome.Reason.Word())))
}
