package load

import (
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept from a microsecond to a minute with three digits.
const (
	minLatency = 1
	maxLatency = 60_000_000
	digits     = 3
)

// meter counts and times what arrives in the measured part of a run. One
// goroutine records; what it has recorded is read when the run is over.
type meter struct {
	from, to atomic.Int64 // nanoseconds since 1970; 0 = not known yet
	count    int64
	hist     *hdrhistogram.Histogram
}

func newMeter() *meter {
	return &meter{hist: hdrhistogram.New(minLatency, maxLatency, digits)}
}

// measure sets the measured part: after the warm-up, for as long.
func (m *meter) measure(from time.Time, d time.Duration) {
	m.from.Store(from.UnixNano())
	m.to.Store(from.Add(d).UnixNano())
}

// record takes in a message that was meant for at and arrived now. The rate is
// of arrivals within the measured part, the latency of those meant for it.
func (m *meter) record(at, now int64) {
	from, to := m.from.Load(), m.to.Load()
	if from == 0 {
		return
	}
	if now >= from && now < to {
		m.count++
	}
	if at >= from && at < to {
		_ = m.hist.RecordValue(min(max((now-at)/1000, minLatency), maxLatency))
	}
}

// latency in milliseconds.
func (m *meter) latency() Latency {
	ms := func(q float64) float64 { return float64(m.hist.ValueAtQuantile(q)) / 1000 }
	return Latency{P50: ms(50), P99: ms(99), P999: ms(99.9), Max: float64(m.hist.Max()) / 1000}
}
