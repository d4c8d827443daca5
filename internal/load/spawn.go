package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// startPatience is how long a child may take to come up; a first start may
	// fetch engines.
	startPatience = 3 * time.Minute
	// stopPatience is how long it may drain before it is killed.
	stopPatience = 30 * time.Second
)

// Child is a process that this one started and ends.
type Child struct {
	cmd    *exec.Cmd
	stdin  io.Closer    // open as long as the child may live
	held   bool         // the end of stdin ends it, not a signal
	stderr bytes.Buffer // written by the runtime until done is closed
	done   chan struct{}
	err    error // set before done is closed
}

// StartHeld starts a command that serves until its standard input ends, as
// `waybill engine` does, and returns its first line.
func StartHeld(ctx context.Context, env []string, command ...string) (*Child, string, error) {
	c := newChild(command)
	c.held = true
	c.cmd.Env = append(os.Environ(), env...)
	line, err := c.startAndRead(ctx, "")
	return c, line, err
}

// StartChild starts command and returns when a line of its standard output
// contains ready; the line is returned.
func StartChild(ctx context.Context, ready string, command ...string) (*Child, string, error) {
	c := newChild(command)
	line, err := c.startAndRead(ctx, ready)
	return c, line, err
}

// startAndRead starts the child and returns the line that contains ready. After
// an error the child has ended.
func (c *Child) startAndRead(ctx context.Context, ready string) (string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", fmt.Errorf("open pipe: %w", err)
	}
	c.cmd.Stdout = w
	err = c.start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return "", err
	}
	line, err := c.await(ctx, r, ready)
	if err != nil {
		return "", c.failed(err)
	}
	return line, nil
}

func newChild(command []string) *Child {
	c := &Child{cmd: exec.Command(command[0], command[1:]...), done: make(chan struct{})}
	c.cmd.Stderr = &c.stderr
	// The child asks the kernel to be told of our end, so that none outlives us.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	return c
}

func (c *Child) start() (err error) {
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("open pipe: %w", err)
	}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.cmd.Path, err)
	}
	go func() { c.err = c.cmd.Wait(); close(c.done) }()
	return nil
}

// failed ends a child that did not come up and says what it said.
func (c *Child) failed(err error) error {
	err = errors.Join(fmt.Errorf("start %s: %w", c.cmd.Path, err), c.Stop())
	return fmt.Errorf("%w\n%s", err, lastLines(c.stderr.String()))
}

var errEarly = errors.New("it ended before it was ready")

// StartReady starts command, which says nothing when it is ready, and returns
// when its private port at the address says so.
func StartReady(ctx context.Context, private string, command ...string) (*Child, error) {
	c := newChild(command)
	if err := c.start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		_, err := fetch(ctx, "http://"+private+"/readyz")
		if err == nil {
			return c, nil
		}
		select {
		case <-c.done:
			return nil, c.failed(errEarly)
		case <-ctx.Done():
			return nil, c.failed(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// RunChild runs a command to its end.
func RunChild(ctx context.Context, command ...string) error {
	text, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w\n%s", strings.Join(command, " "), err, lastLines(string(text)))
	}
	return nil
}

// await reads until the line is there, and the rest in the background, so that
// the child never waits for its reader.
func (c *Child) await(ctx context.Context, r io.ReadCloser, ready string) (string, error) {
	found := make(chan string, 1)
	go func() {
		defer r.Close()
		for lines := bufio.NewScanner(r); lines.Scan(); {
			if strings.Contains(lines.Text(), ready) && len(found) == 0 {
				found <- lines.Text()
			}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	select {
	case line := <-found:
		return line, nil
	case <-c.done:
		return "", errors.Join(errEarly, c.err)
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// PID of the process.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Stop lets the child drain, kills it if it does not end, and waits for it.
func (c *Child) Stop() error {
	if c.held {
		_ = c.stdin.Close()
	} else {
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // fails only when it has ended
	}
	select {
	case <-c.done:
	case <-time.After(stopPatience):
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("process %d did not drain within %s and was killed", c.PID(), stopPatience)
	}
	if c.err != nil && c.cmd.ProcessState.ExitCode() != -1 {
		return fmt.Errorf("process %d: %w\n%s", c.PID(), c.err, lastLines(c.stderr.String()))
	}
	return nil
}

func lastLines(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(len(lines)-20, 0):], "\n")
}

// Ports for children: below those that the kernel gives to outgoing
// connections, which would take one between its finding and its use.
const (
	firstPort = 23_000
	ports     = 900
)

// FreePorts are loopback addresses that nobody listened on a moment ago.
func FreePorts(n int) ([]string, error) {
	var addresses []string
	var held []net.Listener // all at once, so that they differ
	defer func() {
		for _, ln := range held {
			_ = ln.Close()
		}
	}()
	from := rand.IntN(ports)
	for i := range ports {
		if len(held) == n {
			return addresses, nil
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstPort+(from+i)%ports))
		if err != nil {
			continue
		}
		held = append(held, ln)
		addresses = append(addresses, ln.Addr().String())
	}
	return nil, fmt.Errorf("find %d free ports from %d to %d: there are %d", n, firstPort, firstPort+ports-1, len(held))
}
