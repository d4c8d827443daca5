package gate

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"waybill/schemas"
)

// reasons bounds the numbers of schemas.Reason that are counted one by one.
const reasons = 256

// metrics are plain counters; the meter reads them when it is asked.
type metrics struct {
	accepted, scarce                      atomic.Int64
	framesIn, framesOut                   atomic.Int64
	bytesIn, bytesOut                     atomic.Int64
	swallowed, gaps, bounces, misdirected atomic.Int64
	sentDropped, acksIgnored              atomic.Int64
	unknown, uplinksRefused               atomic.Int64
	redirects, strangers                  atomic.Int64
	closes                                [reasons]atomic.Int64

	registration metric.Registration
}

// close counts the end of a connection.
func (m *metrics) close(r schemas.Reason) { m.closes[uint(r)%reasons].Add(1) }

// counters names each instrument once.
func (m *metrics) counters() []counter {
	in, out := attribute.String("direction", "in"), attribute.String("direction", "out")
	return []counter{
		{&m.accepted, "waybill.gate.accepted", "Connections accepted.", nil},
		{&m.scarce, "waybill.gate.accept.scarce", "Accepts that found no descriptor or memory.", nil},
		{&m.framesIn, "waybill.gate.frames", "Frames by direction.", &in},
		{&m.framesOut, "waybill.gate.frames", "Frames by direction.", &out},
		{&m.bytesIn, "waybill.gate.bytes", "Bytes by direction.", &in},
		{&m.bytesOut, "waybill.gate.bytes", "Bytes by direction.", &out},
		{&m.swallowed, "waybill.gate.swallowed", "Pushes that the gap rule did not write again.", nil},
		{&m.gaps, "waybill.gate.gaps", "Connections closed because a command was missing.", nil},
		{&m.bounces, "waybill.gate.bounces", "Commands for connections that the gate does not hold.", nil},
		{&m.misdirected, "waybill.gate.misdirected", "Commands for another gate, for a newer life of this one, or of an unknown kind.", nil},
		{&m.sentDropped, "waybill.gate.sent.dropped", "Sent events left out while the log was away.", nil},
		{&m.acksIgnored, "waybill.gate.acks.ignored", "Cursors beyond what was written.", nil},
		{&m.unknown, "waybill.gate.unknown", "Frames of the session with an unknown command.", nil},
		{&m.uplinksRefused, "waybill.gate.uplinks.refused", "Uplinks that the log did not take or that wait for an earlier one.", nil},
		{&m.redirects, "waybill.gate.redirects", "Devices that a draining gate sent to another one.", nil},
		{&m.strangers, "waybill.gate.identifies.ignored", "Logins that named an anonymous session which is not their device's.", nil},
	}
}

type counter struct {
	value      *atomic.Int64
	name, help string
	attribute  *attribute.KeyValue
}

// newMetrics registers one callback for all instruments: nothing is computed
// until somebody collects.
func newMetrics(g *Gate) (*metrics, error) {
	m := &metrics{}
	meter := g.cfg.Meter
	connections, err := meter.Int64ObservableGauge("waybill.gate.connections", metric.WithDescription("Open connections, by whether they have logged in."))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	closes, err := meter.Int64ObservableCounter("waybill.gate.closes", metric.WithDescription("Connections that ended, by reason."))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	view, err := newViewGauges(g)
	if err != nil {
		return nil, err
	}
	observe, instruments, err := m.observer(meter)
	if err != nil {
		return nil, err
	}
	m.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		live := int64(g.table.len())
		o.ObserveInt64(connections, live, metric.WithAttributes(attribute.Bool("live", true)))
		o.ObserveInt64(connections, max(int64(g.wheel.len())-live, 0), metric.WithAttributes(attribute.Bool("live", false)))
		m.observeCloses(o, closes)
		view.observe(o)
		observe(o)
		return nil
	}, append(instruments, connections, closes, view.behind, view.key)...)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

// viewGauges tell of the gate's view of the control topic.
type viewGauges struct {
	gate   *Gate
	behind metric.Float64ObservableGauge
	key    metric.Int64ObservableGauge
}

func newViewGauges(g *Gate) (*viewGauges, error) {
	behind, err := g.cfg.Meter.Float64ObservableGauge("waybill.gate.control.behind", metric.WithUnit("s"),
		metric.WithDescription("How long ago the gate's view of apps, keys and revocations was surely complete."))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	key, err := g.cfg.Meter.Int64ObservableGauge("waybill.gate.cluster.key", metric.WithDescription("Id of the cluster key that seals tickets; 0 is the configured one."))
	if err != nil {
		return nil, fmt.Errorf("make instrument: %w", err)
	}
	return &viewGauges{g, behind, key}, nil
}

func (v *viewGauges) observe(o metric.Observer) {
	o.ObserveFloat64(v.behind, v.gate.cfg.Control.Behind().Seconds())
	o.ObserveInt64(v.key, int64(v.gate.sealsWith()))
}

// observer makes the counters' instruments and what reads them.
func (m *metrics) observer(meter metric.Meter) (func(metric.Observer), []metric.Observable, error) {
	counters := m.counters()
	instruments := make([]metric.Int64ObservableCounter, len(counters))
	all := make([]metric.Observable, len(counters))
	for i, c := range counters {
		in, err := meter.Int64ObservableCounter(c.name, metric.WithDescription(c.help))
		if err != nil {
			return nil, nil, fmt.Errorf("make instrument %s: %w", c.name, err)
		}
		instruments[i], all[i] = in, in
	}
	return func(o metric.Observer) {
		for i, c := range counters {
			var attributes []attribute.KeyValue
			if c.attribute != nil {
				attributes = append(attributes, *c.attribute)
			}
			o.ObserveInt64(instruments[i], c.value.Load(), metric.WithAttributes(attributes...))
		}
	}, all, nil
}

// observeCloses leaves out reasons that never happened.
func (m *metrics) observeCloses(o metric.Observer, closes metric.Int64ObservableCounter) {
	for i := range m.closes {
		if n := m.closes[i].Load(); n > 0 {
			o.ObserveInt64(closes, n, metric.WithAttributes(attribute.String("reason", schemas.Reason(i).Word())))
		}
	}
}

// unregister ends the callback, which holds the whole gate.
func (m *metrics) unregister() { _ = m.registration.Unregister() } // fails only when done twice
