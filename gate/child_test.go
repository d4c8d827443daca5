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

	"golang.org/x/sync/errgroup"

	"waybill/internal/eventlog"
	"waybill/internal/wire"
	"waybill/schemas"
)

// childVariable makes the test binary a process that a test or a benchmark
// needs beside its own: what it is, an address and a number.
const childVariable = "WAYBILL_TEST_CHILD"

// runChild is such a process, from its start to its end; false says that this is
// none.
func runChild() bool {
	var what, address string
	var count int
	_, _ = fmt.Sscan(os.Getenv(childVariable), &what, &address, &count) // not all have a number
	switch what {
	case "gate":
		gateOf(child{}, address)
	case "acknowledge":
		acknowledge(child{}, address, make([]net.Conn, count))
	case "resume":
		resume(child{}, address, make([]net.Conn, count))
	}
	return what != ""
}

// child stands for the test where there is none: what fails ends the process,
// and so does what would be cleaned up.
type child struct{ testing.TB }

func (child) Helper()        {}
func (child) Cleanup(func()) {}

func (child) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

func (c child) Fatalf(format string, args ...any) { c.Fatal(fmt.Sprintf(format, args...)) }

// gateOf is a gate that can be stopped.
func gateOf(t testing.TB, broker string) {
	w := &world{t: t, brokers: []string{broker}}
	var err error
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: w.brokers}); err != nil {
		t.Fatal(err)
	}
	w.facts = &logFacts{w.appender()}
	g := w.start(2)
	fmt.Println(g.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1) // the test has gone
	}()
	fmt.Println(<-g.err)
}

// acknowledge logs in, then answers what comes, once for each read, until
// standard input ends.
func acknowledge(t testing.TB, address string, devices []net.Conn) {
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
func resume(t testing.TB, address string, devices []net.Conn) {
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

// process is a child as its test sees it.
type process struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startChild runs one until the test ends.
func startChild(t testing.TB, what string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &process{t, cmd, in, bufio.NewReader(out)}
}

// line is what the process says next.
func (p *process) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the other process says no more: %v", err)
	}
	return strings.TrimSpace(s)
}

// expect waits until it says the word.
func (p *process) expect(word string) {
	p.t.Helper()
	if got := p.line(); got != word {
		p.t.Fatalf("the other process says %q, want %q", got, word)
	}
}

// tell says a word to it.
func (p *process) tell(word string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, word); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}
