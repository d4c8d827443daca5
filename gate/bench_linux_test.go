package gate

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"waybill/internal/wire"
	"waybill/schemas"
)

// devicesEnv tells the test binary that it is the devices of BenchmarkDevices:
// the gate's address and how many.
const devicesEnv = "WAYBILL_GATE_DEVICES"

// TestDevicesOfBenchmark is no test: it is the process of BenchmarkDevices that
// is devices, so that their work is not counted. They acknowledge what comes,
// once for each read, until standard input ends.
func TestDevicesOfBenchmark(t *testing.T) {
	var address string
	var count int
	if n, _ := fmt.Sscan(os.Getenv(devicesEnv), &address, &count); n != 2 {
		t.Skip("it is started by BenchmarkDevices")
	}
	devices := make([]net.Conn, count)
	dialAll(t, address, devices)
	var wg sync.WaitGroup
	for _, nc := range devices {
		wg.Go(func() { acknowledgeAll(nc) })
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, nc := range devices {
		nc.Close()
	}
	wg.Wait()
}

// acknowledgeAll answers the pushes of each read with one cursor.
func acknowledgeAll(nc net.Conn) {
	b, have := make([]byte, 16<<10), 0
	var out []byte
	for {
		n, err := nc.Read(b[have:])
		if err != nil {
			return
		}
		data, cursor := b[:have+n], uint64(0)
		for {
			_, payload, rest, err := wire.Next(data, 1<<16)
			if err != nil {
				break
			}
			p, _, _ := wire.ParsePushPrefix(payload)
			cursor, data = p.Position, rest
		}
		have = copy(b, data)
		if cursor == 0 {
			continue
		}
		out = wire.AppendAck(out[:0], wire.AckBody{Cursor: cursor})
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

// startDevices runs them in a process of their own until the benchmark ends.
func startDevices(b *testing.B, address string, count int) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDevicesOfBenchmark$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", devicesEnv, address, count))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Close(); _, _ = io.Copy(io.Discard, out); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		b.Fatalf("the devices say %q (%v)", line, err)
	}
}

// loopFacts is a log that costs little: it keeps nothing, and says in bursts, as
// the broker's answers do, that it has what was reported. It tells which
// connection has acknowledged.
type loopFacts struct {
	free chan uint64 // numbers of connections that acknowledged or logged in
	wake chan struct{}

	mu    sync.Mutex
	dones []func(schemas.Position, error)
}

func newLoopFacts(b *testing.B) *loopFacts {
	f := &loopFacts{free: make(chan uint64, 1<<16), wake: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	wg.Go(f.finish)
	b.Cleanup(func() { close(f.wake); wg.Wait() })
	return f
}

func (f *loopFacts) Report(e *schemas.Event, _ []byte, _ bool, done func(schemas.Position, error)) error {
	if e.Kind == schemas.Kind_KIND_ACKED || e.Kind == schemas.Kind_KIND_CONNECTED {
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
	g := newTestGate(b, facts)
	g.incarnation.Store(7)
	startDevices(b, serveNative(b, g), devices)
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

// cpuTime is what the process has used, user and system.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
