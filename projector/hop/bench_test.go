package hop_test

import (
	"testing"

	"waybill/projector/hop"
)

// BenchmarkProject projects a log that is there already, as after an outage;
// broker, projector and ClickHouse share the machine. A push of this log has
// 4.6 hops, two rows of pushes and one of connections on average.
func BenchmarkProject(b *testing.B) {
	const pushes = 60_000
	bench := newBench(b)
	var all, one ledger
	for i := range b.N {
		b.StopTimer()
		one = bench.write(i*pushes, pushes)
		all = all.plus(one)
		b.StartTimer()
		stop := bench.start(func(cfg *hop.Config) { *cfg = hop.Config{Log: cfg.Log, DSN: cfg.DSN} })
		bench.await("SELECT toInt64(count()) FROM hops", all.hops)
		bench.await("SELECT toInt64(sum(ended)) FROM funnel", all.ended)
		b.StopTimer()
		stop()
	}
	rows := float64(all.hops + all.connections + all.accepted + all.ended)
	b.ReportMetric(rows/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(all.accepted)/b.Elapsed().Seconds(), "pushes/s")
}
