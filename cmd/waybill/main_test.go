package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"waybill/internal/engine"
)

// mainVariable makes the test binary the real one.
const mainVariable = "WAYBILL_TEST_MAIN"

func TestMain(m *testing.M) {
	switch os.Getenv(mainVariable) {
	case "":
		engine.ChildMain() // an engine that a test started
		os.Exit(m.Run())
	case "stuck":
		onStuck(slog.New(slog.DiscardHandler))("waybill.events", 0, time.Minute)
	case "crash":
		panic("a bug")
	}
	main()
}

// patience is far longer than anything here takes.
const patience = 60 * time.Second

// proc is the real binary at work: this test binary, so that the race detector
// is in it and nothing has to be built. It is no program.Process of the
// end-to-end tests, which asks for patterns and for a drain: here it is lines,
// signals and exit codes that are tested, and a drain that hangs is killed.
type proc struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.Closer     // an engine ends when it closes
	ended chan struct{} // closed when it has ended
	over  time.Time     // of its end; set before ended is closed

	mu    sync.Mutex
	part  []byte
	lines []string
	more  chan struct{} // closed, and made anew, with each line
}

// waybill starts the binary with nothing but these variables; it is killed with
// the test.
func waybill(t *testing.T, env []string, args ...string) *proc {
	t.Helper()
	p := &proc{t: t, name: strings.Join(args[:min(1, len(args))], ""), cmd: exec.Command(os.Args[0], args...), ended: make(chan struct{}), more: make(chan struct{})}
	home, cache := os.Getenv("HOME"), os.Getenv("WAYBILL_CACHE")
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, mainVariable + "=1"}, env...)
	if cache != "" {
		p.cmd.Env = append(p.cmd.Env, "WAYBILL_CACHE="+cache)
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal is that of this thread
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			p.over = time.Now()
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

// Write takes what it prints.
func (p *proc) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part = append(p.part, b...)
	for {
		line, rest, ok := bytes.Cut(p.part, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		p.lines = append(p.lines, string(line))
		p.part = append([]byte(nil), rest...)
		close(p.more)
		p.more = make(chan struct{})
	}
}

// says waits for a line that contains all the words.
func (p *proc) says(words ...string) string {
	p.t.Helper()
	late := time.After(patience)
	for read := 0; ; {
		p.mu.Lock()
		lines, more := p.lines[read:], p.more
		p.mu.Unlock()
		for _, line := range lines {
			if containsAll(line, words) {
				return line
			}
		}
		read += len(lines)
		select {
		case <-more:
			continue
		case <-p.ended:
			p.t.Fatalf("%s has ended with %d and never said %q:\n%s", p.name, p.cmd.ProcessState.ExitCode(), words, p.output())
		case <-late:
			p.t.Fatalf("%s does not say %q:\n%s", p.name, words, p.output())
		}
	}
}

func containsAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

func (p *proc) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// at waits for the line and returns the address in it.
func (p *proc) at(words ...string) string {
	p.t.Helper()
	line := p.says(words...)
	found := regexp.MustCompile(`\baddr(?:ess)?=(\S+)`).FindStringSubmatch(line)
	if found == nil {
		p.t.Fatalf("no address in %q", line)
	}
	return found[1]
}

// ready asks the private port.
func (p *proc) ready() (status int, words string) {
	p.t.Helper()
	resp, err := http.Get("http://" + p.at("private port") + "/readyz")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func (p *proc) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("signal %s: %v", p.name, err)
	}
}

func (p *proc) kill() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
}

// ends waits for its end and checks the code.
func (p *proc) ends(want int) string {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s does not end:\n%s", p.name, p.output())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != want {
		p.t.Errorf("%s ended with %d, want %d:\n%s", p.name, code, want, p.output())
	}
	return p.output()
}

// drains asks it to stop, and wants it to end well.
func (p *proc) drains() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	p.ends(exitDrained)
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	late := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not true after %s: %s", patience, what)
		}
	}
}

func flag(name string, value any) string { return fmt.Sprintf("--%s=%v", name, value) }
