package engine

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A child is a process that ends with this one. It has a process group of its
// own, so that Ctrl-C in a terminal reaches only the parent, which drains first
// and stops its engines last.
type child struct {
	cmd  *exec.Cmd
	tail *tail

	// done is closed when the process has ended; err is set before that.
	done chan struct{}
	err  error
}

// outputDelay is how long the output of a child is read after its end: processes
// that it left behind may hold the pipe open.
const outputDelay = time.Second

// startChild starts cmd, which must not have been started, with death sent to it
// when this process ends. line sees each line that it writes to stderr.
//
// The kernel sends that signal when the starting thread ends, not the process,
// so the goroutine that starts the child keeps its thread until the child ends.
func startChild(cmd *exec.Cmd, death syscall.Signal, line func(string)) (*child, error) {
	c := &child{cmd: cmd, tail: &tail{line: line}, done: make(chan struct{})}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = death
	cmd.Stderr = c.tail
	cmd.WaitDelay = outputDelay
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// stop sends the signals one after another, with patience after each, until the
// process has ended. A process that ends because of them has ended well.
func (c *child) stop(patience time.Duration, signals ...syscall.Signal) error {
	for _, s := range signals {
		_ = c.cmd.Process.Signal(s) // an error says that it has ended
		if c.endsWithin(patience) {
			return nil
		}
	}
	return fmt.Errorf("process %d does not end", c.cmd.Process.Pid)
}

func (c *child) endsWithin(patience time.Duration) bool {
	select {
	case <-c.done:
		return true
	case <-time.After(patience):
		return false
	}
}

// failure says why the process ended: its exit status and its last words.
func (c *child) failure() error {
	status := "exit status 0"
	if c.err != nil {
		status = c.err.Error()
	}
	return fmt.Errorf("%s: %s", status, c.tail.lastWords())
}

// await waits until ready is closed. It fails if the process ends before, and
// when ctx is done.
func (c *child) await(ctx context.Context, ready <-chan struct{}) error {
	select {
	case <-ready:
		return nil
	case <-c.done:
		return c.failure()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tail takes what a process writes, hands it on by lines and keeps the last few.
type tail struct {
	line func(string)

	mu   sync.Mutex
	part []byte
	last []string
}

// tailLines is enough for the reason and what led to it; tailPart bounds a line.
const (
	tailLines = 8
	tailPart  = 64 << 10
)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part = append(t.part, b...)
	for {
		line, rest, ok := bytes.Cut(t.part, []byte("\n"))
		if !ok {
			break
		}
		t.take(string(line))
		t.part = append(t.part[:0], rest...)
	}
	if len(t.part) > tailPart {
		t.part = t.part[:0]
	}
	return len(b), nil
}

func (t *tail) take(line string) {
	if t.line != nil {
		t.line(line)
	}
	if len(t.last) == tailLines {
		t.last = slices.Delete(t.last, 0, 1)
	}
	t.last = append(t.last, line)
}

func (t *tail) lastWords() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if words := strings.TrimSpace(strings.Join(append(slices.Clone(t.last), string(t.part)), "\n")); words != "" {
		return words
	}
	return "it said nothing"
}
