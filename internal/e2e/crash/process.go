package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"waybill/internal/e2e/bell"
)

// process is one process of the real binary, started again and again. What it
// says is appended to one file.
//
// It is no program.Process: a run may go on without a test, starts a process again
// that ended by itself, and several faults and that supervisor meet here at once.
type process struct {
	// Fixed.
	name    string
	command []string
	env     []string
	log     string // file
	ready   string // URL that answers 200 when it does its work
	died    func(*process, error)

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{} // closed when cmd has ended
	asked bool          // to end: its end is no news
	over  bool          // it is not started any more
}

// start starts the process; it dies with this one, and does not wait for being
// ready. An end that nobody asked for is told to died.
//
// The kernel binds the death to the thread that started it, so that thread is
// kept until then.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.runs() {
		return nil
	}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe() // whose end tells an engine to stop
	if err != nil {
		return err
	}
	ended, started := make(chan struct{}), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.wait(cmd, ended)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.stdin, p.ended, p.asked = cmd, stdin, ended, false
	return nil
}

// runs is called with mu held.
func (p *process) runs() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

func (p *process) wait(cmd *exec.Cmd, ended chan struct{}) {
	err := cmd.Wait()
	p.mu.Lock()
	asked := p.asked
	p.mu.Unlock()
	close(ended)
	if !asked {
		p.died(p, err)
	}
}

// end asks or makes the process end and waits until it has. SIGSTOP does not
// keep it from being killed.
func (p *process) end(s syscall.Signal, patience time.Duration) error {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	p.asked = true
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	_ = cmd.Process.Signal(s) // an error says that it has ended
	if s != syscall.SIGKILL {
		_ = cmd.Process.Signal(syscall.SIGCONT) // a run that breaks off may have left it stopped
	}
	select {
	case <-ended:
		if code := cmd.ProcessState.ExitCode(); s == syscall.SIGTERM && code != 0 {
			return fmt.Errorf("%s was asked to end and ended with code %d: %s", p.name, code, p.lastWords())
		}
		return nil
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("%s did not end within %v of %v: killed", p.name, patience, s)
	}
}

// finish ends the process for good.
func (p *process) finish(s syscall.Signal, patience time.Duration) error {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	return p.end(s, patience)
}

// retire says that the process is to end by itself and is not started again.
func (p *process) retire() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over, p.asked = true, true
	return p.ended
}

func (p *process) kill() error { return p.end(syscall.SIGKILL, time.Minute) }

// errNobody says of a fault that it has shown nothing.
var errNobody = errors.New("met nobody alive")

// strike is what a fault does: SIGKILL or SIGSTOP. A process that has ended
// before it is errNobody.
func (p *process) strike(s syscall.Signal) error {
	p.mu.Lock()
	cmd, alive := p.cmd, p.runs()
	p.mu.Unlock()
	switch {
	case !alive:
		return errNobody
	case s != syscall.SIGKILL:
		return p.signal(s)
	}
	if err := p.kill(); err != nil {
		return err
	}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != s {
		return errNobody // it ended in between: not by this
	}
	return nil
}

// signal sends one that does not end the process.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s was never started", p.name)
	}
	return p.cmd.Process.Signal(s)
}

// awaitReady asks until the process says that it does its work.
func (p *process) awaitReady(ctx context.Context) error {
	return bell.Poll(ctx, p.name+" to be ready", func() error { return ask(ctx, p.ready) })
}

func ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %.200s", resp.Status, b))
	}
	return errors.Join(err, resp.Body.Close())
}

// exitCode of a process that has ended.
func (p *process) exitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.ProcessState.ExitCode()
}

// lastWords of a process that ended by itself.
func (p *process) lastWords() string {
	b, err := os.ReadFile(filepath.Clean(p.log))
	if err != nil {
		return err.Error()
	}
	const most = 2000
	return string(b[max(0, len(b)-most):])
}
