package gate

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"waybill/schemas"
)

// loopFacts is a log that costs little: it keeps nothing, and says in bursts, as
// the broker's answers do, that it has what was reported. It tells which
// connection has acknowledged.
type loopFacts struct {
	placed
	free chan uint64 // numbers of connections that acknowledged or logged in; nil: nobody asks
	wake chan struct{}

	mu    sync.Mutex
	dones []func(schemas.Position, error)
}

func newLoopFacts(b *testing.B) *loopFacts {
	f := &loopFacts{wake: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	wg.Go(f.finish)
	b.Cleanup(func() { close(f.wake); wg.Wait() })
	return f
}

func (f *loopFacts) Report(e *schemas.Event, _ []byte, _ bool, done func(schemas.Position, error)) error {
	if f.free != nil && (e.Kind == schemas.Kind_KIND_ACKED || e.Kind == schemas.Kind_KIND_CONNECTED) {
		f.free <- e.Connection
	}
	if done == nil {
		return nil
	}
	f.mu.Lock()
	f.dones = append(f.dones, done)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return nil
}

func (f *loopFacts) finish() {
	var dones []func(schemas.Position, error)
	for range f.wake {
		f.mu.Lock()
		dones, f.dones = f.dones, dones[:0]
		f.mu.Unlock()
		for i, done := range dones {
			done(1, nil)
			dones[i] = nil
		}
	}
}

// startDevices lets a process be devices, so that their work is not counted.
func startDevices(b *testing.B, what, address string, count int) *process {
	b.Helper()
	p := startChild(b, fmt.Sprintf("%s %s %d", what, address, count))
	p.expect("ready")
	return p
}

// BenchmarkDevices is a closed loop: each device has one push on its way, and
// those that have acknowledged get their next one in one batch. It reports the
// CPU time of the gate's process for a push (system calls, facts and source
// included): compare it with itself only.
func BenchmarkDevices(b *testing.B) {
	for _, devices := range []int{100, 1000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) { benchmarkDevices(b, devices) })
	}
}

func benchmarkDevices(b *testing.B, devices int) {
	facts := newLoopFacts(b)
	facts.free = make(chan uint64, 1<<16)
	g := newTestGate(b, facts)
	g.incarnation.Store(7)
	startDevices(b, "acknowledge", serveNative(b, g), devices)
	s := &source{obeyer: obeyer{gate: g}, last: make(map[uint64]uint64), free: facts.free}
	s.push(devices)
	b.ResetTimer()
	before := cpuTime(b)
	for pushed := 0; pushed < b.N; {
		pushed += s.push(1)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/push")
	b.ReportMetric(float64(b.N)/float64(s.batches), "pushes/batch")
}

// source makes commands as a fetch from waybill.dispatch brings them.
type source struct {
	obeyer   obeyer
	last     map[uint64]uint64 // position by connection
	position uint64
	free     chan uint64
	batches  int
}

// mostBatch bounds a batch, as the bytes of a fetch do.
const mostBatch = 500

// push gives a push to at least so many free connections.
func (s *source) push(least int) (n int) {
	body := []byte(strings.Repeat("x", 200))
	for n < least || (n < mostBatch && len(s.free) > 0) {
		number := <-s.free
		s.position++
		cmd := tellPush(s.position, s.last[number], "")
		cmd.Gate, cmd.Incarnation, cmd.Connection, cmd.Body = 2, 7, number, body
		s.last[number] = s.position
		s.obeyer.add(cmd)
		n++
	}
	s.obeyer.run()
	s.batches++
	return n
}

// BenchmarkResume is a storm: 2,000 devices connect and resume at once, and are
// gone. It reports the CPU time of the gate's process for each, the kernel's for
// connecting and closing included.
func BenchmarkResume(b *testing.B) {
	const devices = 2000
	g := newTestGate(b, newLoopFacts(b))
	g.incarnation.Store(7)
	others := startDevices(b, "resume", serveNative(b, g), devices)
	before := cpuTime(b)
	for b.Loop() {
		others.tell("resume")
		others.expect("resumed")
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*devices), "cpu-ns/resume")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*devices), "ns/resume")
}

// cpuTime is what the process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
