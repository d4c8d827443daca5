package program

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait; none takes as long when all is well.
const patience = 60 * time.Second

// fetching bounds the wait for a first line: the first start of an engine on a
// machine fetches it.
const fetching = 3 * time.Minute

// drain is how long a process that a test has left may take to end.
const drain = 20 * time.Second

// Process is one that a test has started. Its standard input stays open until
// the test's end: an engine ends with it, a device reads it.
type Process struct {
	// Of the process that runs now; another one's after Again.
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *output       // standard output
	all   *output       // that and standard error
	ended chan struct{} // closed when it has ended; err is set before
	err   error
}

// Start starts the command in a process group of its own.
func Start(t testing.TB, cmd *exec.Cmd) *Process {
	t.Helper()
	p := new(Process)
	p.start(t, cmd)
	t.Cleanup(func() {
		if p.cmd.Process == nil {
			return // it could not be started again, which has failed the test
		}
		_ = p.stdin.Close()
		if !p.Ended() {
			_ = p.Stop(drain) // so that its children have gone, too, and write no more files
		}
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // an error says that it has ended
		<-p.ended
	})
	return p
}

// Again starts the command of a process that has ended once more. It ends when
// the first one would have ended.
func (p *Process) Again(t testing.TB) {
	t.Helper()
	cmd := exec.Command(p.cmd.Path, p.cmd.Args[1:]...)
	cmd.Dir, cmd.Env = p.cmd.Dir, p.cmd.Env
	p.start(t, cmd)
}

func (p *Process) start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	p.cmd, p.out, p.all, p.ended, p.err = cmd, newOutput(), newOutput(), make(chan struct{}), nil
	cmd.Stdout, cmd.Stderr = io.MultiWriter(p.out, p.all), p.all
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.launch(); err != nil {
		t.Fatalf("start %s: %v", cmd, err)
	}
}

// launch keeps the thread that starts the process for as long as it lives: the
// kernel kills the process when that thread ends.
func (p *Process) launch() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			p.out.end()
			p.all.end()
			close(p.ended)
		}
	}()
	return <-started
}

// FirstLine waits for the first line of standard output, which says where an
// engine serves.
func (p *Process) FirstLine(t testing.TB) string {
	t.Helper()
	return strings.TrimSpace(p.await(t, p.out, regexp.MustCompile(`^.*\n`), fetching))
}

// AwaitOutput waits until the pattern is in what the process has said, and
// returns what matched.
func (p *Process) AwaitOutput(t testing.TB, pattern *regexp.Regexp) string {
	t.Helper()
	return p.await(t, p.all, pattern, patience)
}

func (p *Process) await(t testing.TB, o *output, pattern *regexp.Regexp, within time.Duration) string {
	t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		text, more := o.read()
		if found := pattern.FindString(text); found != "" {
			return found
		}
		if more == nil {
			t.Fatalf("%s ended (%v) and never said %s, but:\n%s", p.cmd, p.err, pattern, p.Output())
		}
		select {
		case <-more:
		case <-late.C:
			t.Fatalf("waited %v for %s to say %s; it said:\n%s", within, p.cmd, pattern, p.Output())
		}
	}
}

// Output is what the process has said by now, on both ways.
func (p *Process) Output() string {
	text, _ := p.all.read()
	return text
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended says whether the process has ended by itself.
func (p *Process) Ended() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Stop asks the process to drain; an error is that it was gone already, did not
// end in time, or not with exit code 0.
func (p *Process) Stop(within time.Duration) error {
	if p.Ended() {
		return fmt.Errorf("%s has ended by itself: %w", p.cmd, errors.Join(p.err, errors.New(p.Output())))
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.cmd, within)
	}
	if p.err != nil {
		return fmt.Errorf("%s was asked to end: %w\n%s", p.cmd, p.err, p.Output())
	}
	return nil
}

// Kill ends the process as kill -9 does and returns when it is gone.
func (p *Process) Kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill %s: %w", p.cmd, err)
	}
	<-p.ended
	return nil
}

// output keeps what is written and wakes who waits for more.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // closed by the next write; nil after the end
}

func newOutput() *output { return &output{more: make(chan struct{})} }

// Write keeps b.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = nil
}

func (o *output) read() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String(), o.more
}
