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

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"waybill/internal/wire"
	"waybill/schemas"
)

// devicesEnv tells the test binary that it is the devices of a benchmark: what
// they do, the gate's address and how many.
const devicesEnv = "WAYBILL_GATE_DEVICES"

// TestDevicesOfBenchmark is no test: it is the process of a benchmark that is
// devices, so that their work is not counted.
func TestDevicesOfBenchmark(t *testing.T) {
	var do, address string
	var count int
	if n, _ := fmt.Sscan(os.Getenv(devicesEnv), &do, &address, &count); n != 3 {
		t.Skip("it is started by benchmarks")
	}
	devices := make([]net.Conn, count)
	switch do {
	case "acknowledge":
		acknowledge(t, address, devices)
	case "resume":
		resume(t, address, devices)
	}
}

// acknowledge logs in, then answers what comes, once for each read, until
// standard input ends.
func acknowledge(t *testing.T, address string, devices []net.Conn) {
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

// resume lets all devices connect at once, as often as standard input says so.
// A device closes when all have been answered.
func resume(t *testing.T, address string, devices []net.Conn) {
	d := dial(t, address)
	frame := wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdResume, Sequence: 1}, nil, encode(&schemas.Resume{
		Ticket: d.login("ann", 0).Ticket, Hello: hello(0, 2),
	}))
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var group errgroup.Group
		for i := range devices {
			group.Go(func() error {
				d := &device{t: t}
				var err error
				if d.nc, err = net.Dial("tcp", address); err != nil {
					return err
				}
				devices[i] = d.nc
				d.write(frame)
				d.welcome(wire.CmdResume)
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("resumed")
		for _, nc := range devices {
			_ = nc.(*net.TCPConn).SetLinger(0) // leaves no port in TIME_WAIT
			nc.Close()
		}
	}
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

// others is the process that is devices.
type others struct {
	b   *testing.B
	in  io.WriteCloser
	out *bufio.Reader
}

// startDevices runs them until the benchmark ends.
func startDevices(b *testing.B, do, address string, count int) *others {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDevicesOfBenchmark$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", devicesEnv, do, address, count))
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
	o := &others{b, in, bufio.NewReader(out)}
	o.expect("ready")
	return o
}

// tell makes the devices do it again.
func (o *others) tell(word string) {
	if _, err := fmt.Fprintln(o.in, word); err != nil {
		o.b.Fatal(err)
	}
}

// expect waits until the devices say the word.
func (o *others) expect(word string) {
	o.b.Helper()
	if line, err := o.out.ReadString('\n'); line != word+"\n" {
		o.b.Fatalf("the devices say %q (%v), want %s", line, err, word)
	}
}

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
	o := startDevices(b, "resume", serveNative(b, g), devices)
	before := cpuTime(b)
	for b.Loop() {
		o.tell("resume")
		o.expect("resumed")
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
