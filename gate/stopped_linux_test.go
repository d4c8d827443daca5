package gate

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"waybill/internal/eventlog"
	"waybill/internal/wire"
	"waybill/schemas"
)

// brokerEnv tells the test binary that it is the gate of TestStoppedGate: the
// broker's address.
const brokerEnv = "WAYBILL_TEST_BROKER"

// TestGateOfAnotherProcess is no test: it is a gate that can be stopped.
func TestGateOfAnotherProcess(t *testing.T) {
	broker := os.Getenv(brokerEnv)
	if broker == "" {
		t.Skip("it is started by TestStoppedGate")
	}
	w := &world{t: t, brokers: []string{broker}}
	var err error
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: w.brokers}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.log.Close)
	w.facts = &logFacts{w.appender()}
	g := w.start(2)
	fmt.Println(g.Addr())
	fmt.Println(<-g.err)
}

// process is a gate of its own.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     *bufio.Reader
	address string
}

func (w *world) startProcess() *process {
	w.t.Helper()
	cmd := exec.CommandContext(context.Background(), os.Args[0], "-test.run=^TestGateOfAnotherProcess$")
	cmd.Env = append(os.Environ(), brokerEnv+"="+w.brokers[0])
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p := &process{t: w.t, cmd: cmd, out: bufio.NewReader(out)}
	p.address = p.line()
	return p
}

// line is what the process says next.
func (p *process) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the gate's process says no more: %v", err)
	}
	return strings.TrimSpace(s)
}

func (p *process) signal(s unix.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// TestStoppedGate: a gate that was stopped beyond its lease and woken goes on
// with what it holds; one whose number has been given to another meanwhile ends
// every connection, also those that came while it was stopped, and itself.
func TestStoppedGate(t *testing.T) {
	for name, replaced := range map[string]bool{"goes on": false, "is replaced": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.startProcess()
			ann := dial(t, p.address)
			ann.login("ann", 0)
			connected := w.await(w.events, schemas.Kind_KIND_CONNECTED)

			p.signal(unix.SIGSTOP)
			late := dial(t, p.address) // by the kernel
			late.write(loginFrame(t, "bob", 0))
			w.tell(connected, tellPush(1, 0, "while it was stopped"))
			if !replaced {
				w.outlive(2)
				p.signal(unix.SIGCONT)
				ann.expect(wire.KindPush, 0x0100)
				ann.echo()
				late.welcome(wire.CmdLogin)
				return
			}
			fresh := w.start(2)
			p.signal(unix.SIGCONT)
			ann.expectEnd()
			late.expectEnd()
			if s := p.line(); !strings.Contains(s, ErrReplaced.Error()) {
				t.Errorf("the process ended with %q", s)
			}
			cy := dial(t, fresh.Addr())
			cy.login("cy", 0)
			cy.echo()
		})
	}
}

// outlive lets another gate renew its lease until that of the given one is over
// by the topic's own time.
func (w *world) outlive(number uint32) {
	w.t.Helper()
	w.start(1)
	const more = 2 * 3 // each renews three times within a lease
	for seen := 0; seen < more; {
		if e := w.await(w.gates, schemas.Kind_KIND_ALIVE); e.Gate != number {
			seen++
		}
	}
}

// expectEnd reads until the connection ends.
func (d *device) expectEnd() {
	d.t.Helper()
	for {
		if _, _, err := d.read(); err != nil {
			return
		}
	}
}
