package load

import (
	"context"
	"time"
)

// Case is one row of the suite. It starts what it measures and ends it.
type Case struct {
	Key  string // names it for Only, and in the file of results
	Name string
	run  func(context.Context, *Suite, *Entry) error
	// figures are taken from the entry, also from one that failed.
	figures func(*Entry) []Figure
}

// loaded is a case whose load runs on a Waybill of a certain kind.
type loaded struct {
	start start                                        // nil = waybill dev
	set   func(*Config)                                // nil = the defaults
	do    func(*Session, context.Context) (Run, error) // nil = pushes
}

// rate is what a loop comes to, and what a message of it costs. Without a goal
// (0) it is reported.
func rate(key string, atLeast float64) func(*Entry) []Figure {
	return func(e *Entry) []Figure {
		return []Figure{{key + ".rate", "messages", "1/s", e.Median.Rate, Goal{AtLeast: atLeast}}, cost(key, e)}
	}
}

// cost is the CPU of all processes together.
func cost(key string, e *Entry) Figure {
	var all float64
	for _, v := range e.Median.CPU {
		all += v
	}
	return Figure{key + ".cpu", "CPU for 10,000, all processes", "s", all, Goal{}}
}

func rateAndHops(key string, atLeast float64) func(*Entry) []Figure {
	rates := rate(key, atLeast)
	return func(e *Entry) []Figure {
		var v Latency
		if e.Median.Visible != nil {
			v = *e.Median.Visible
		}
		return append(rates(e),
			Figure{key + ".hop_p50", "a hop is found after its happening, p50", "ms", v.P50, Goal{AtMost: 1000}},
			Figure{key + ".hop_p99", "… p99", "ms", v.P99, Goal{AtMost: 2000}})
	}
}

func delays(key string, p50, p99 float64) func(*Entry) []Figure {
	return func(e *Entry) []Figure {
		return []Figure{
			{key + ".p50", "call to device, p50", "ms", e.Median.Latency.P50, Goal{AtMost: p50}},
			{key + ".p99", "call to device, p99", "ms", e.Median.Latency.P99, Goal{AtMost: p99}},
		}
	}
}

// Cases of the suite in their order.
func Cases() []Case {
	stream := func(c *Config) { c.Stream, c.Probe = true, true }
	batch := func(n int) func(*Config) { return func(c *Config) { c.Batch, c.Probe = n, true } }
	slow := func(c *Config) { stream(c); c.Warmup = jitWarmup }
	return []Case{
		{"closed-stream", "closed loop, 8 NDJSON streams", loaded{set: stream}.run, rateAndHops("closed-stream", 35_000)},
		{"closed-100", "closed loop, calls of 100", loaded{set: batch(100)}.run, rate("closed-100", 0)},
		{"closed-10", "closed loop, calls of 10", loaded{set: batch(10)}.run, rateAndHops("closed-10", 35_000)},
		{"closed-1", "closed loop, one push a call", loaded{set: batch(1)}.run, rateAndHops("closed-1", 20_000)},
		{"open-1000", "open loop, 1,000/s, one push a call", loaded{set: paced(1000)}.run, delays("open-1000", 1.5, 5)},
		{"open-5000", "open loop, 5,000/s, one push a call", loaded{set: paced(5000)}.run, delays("open-5000", 2, 12)},
		{"uplinks", "uplinks, one on its way for each device", loaded{do: (*Session).Uplinks}.run, rate("uplinks", 20_000)},
		{"idle", "idle connections, a gate alone", runIdle, idleFigures},
		{"storm", "10,000 devices come back at once, each owed one push", loaded{start: twoGates, set: storm, do: (*Session).Reconnect}.run, stormFigures},
		{"replay", "projectors, each alone on the log of a run", runReplays, replayFigures},
		{"rest", "waybill dev at rest, 200 devices", runRest, restFigures},
		{"kafka-1", "closed loop, 8 streams, one Apache Kafka broker", loaded{start: onKafka(1), set: slow}.run, rateAndHops("kafka-1", 25_000)},
		{"kafka-3", "closed loop, 8 streams, three Apache Kafka brokers", loaded{start: onKafka(3), set: slow}.run, rate("kafka-3", 0)},
		{"split", "closed loop, 8 streams, each stage a process", loaded{start: split, set: stream}.run, rate("split", 0)},
		{"sync", "closed loop, 8 streams, fsync on each append", loaded{start: synced, set: stream}.run, rate("sync", 0)},
		{"profile", "where the time of waybill dev goes", runProfile, profileFigures},
	}
}

// jitWarmup is how long a Java process needs before its figures are its own.
const jitWarmup = 12 * time.Second

func paced(rate int) func(*Config) {
	return func(c *Config) { c.Batch, c.Rate = 1, rate }
}

// streamed is the closed loop that costs the least, without a probe.
func streamed(c *Config) { c.Stream = true }

// storm: descriptors allow 10,000 devices on each side.
func storm(c *Config) { c.Devices = 10_000 }

func stormFigures(e *Entry) []Figure {
	return []Figure{{"storm.seconds", "until all are resumed and have their push", "s", e.Median.Drain, Goal{AtMost: 2}}}
}

func dev(ctx context.Context, s *Suite) (Target, func() error, error) {
	return s.Start.Dev(ctx, DevOptions{})
}

func twoGates(ctx context.Context, s *Suite) (Target, func() error, error) {
	return s.Start.Dev(ctx, DevOptions{Gates: 2})
}

func synced(ctx context.Context, s *Suite) (Target, func() error, error) {
	return s.Start.Dev(ctx, DevOptions{Sync: true})
}

func split(ctx context.Context, s *Suite) (Target, func() error, error) {
	return s.Start.Split(ctx, SplitOptions{})
}

// onKafka is dev with another broker than its own, whose CPU counts too.
func onKafka(nodes int) start {
	return func(ctx context.Context, s *Suite) (Target, func() error, error) {
		var end Ending
		brokers, pid, stop, err := s.Start.Kafka(ctx, nodes)
		if err != nil {
			return Target{}, nil, err
		}
		end.Add(stop)
		t, stop, err := s.Start.Dev(ctx, DevOptions{Kafka: brokers})
		if err != nil {
			return t, nil, end.Because(err)
		}
		end.Add(stop)
		t.PIDs = append(t.PIDs, pid)
		return t, end.Run, nil
	}
}

// run measures the yardstick, then the case.
func (l loaded) run(ctx context.Context, s *Suite, e *Entry) error {
	echo, err := s.echo(ctx)
	if err != nil {
		return err
	}
	from, do := l.start, l.do
	if from == nil {
		from = dev
	}
	if do == nil {
		do = (*Session).Push
	}
	return s.with(ctx, from, l.set, func(session *Session) error {
		e.Result = Repeat(e.Name, s.Runs, func() (Run, error) {
			run, err := do(session, ctx)
			session.cfg.Warmup = min(session.cfg.Warmup, time.Second) // what has run once is warm
			s.Say("  " + run.line())
			return run, err
		})
		e.Echo = &echo
		return nil
	})
}
