package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// process is a `waybill …` that says one line when it serves, and that serves
// until its stdin ends: it does not outlive the test, however that ends.
type process struct {
	command []string
	line    string // that it said

	cmd   *exec.Cmd
	stdin io.Closer
	said  *bytes.Buffer // on stderr; read only after Wait
}

// startProcess returns when the process has said its line. ctx bounds the wait.
func startProcess(ctx context.Context, command ...string) (*process, error) {
	p := &process{command: command}
	if err := p.again(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// again starts the process that was killed once more.
func (p *process) again(ctx context.Context) error {
	p.cmd, p.said = exec.Command(p.command[0], p.command[1:]...), new(bytes.Buffer)
	p.cmd.Stderr = p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.stdin = stdin
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	defer stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("%v has not said where it serves", p.command[1:]), p.Close())
	}
	p.line = strings.TrimSpace(line)
	return nil
}

// kill is kill -9, and returns when the process is gone.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = p.cmd.Wait() // says that it was killed
	return nil
}

// Close ends its stdin and waits for its end.
func (p *process) Close() error {
	if p.cmd.Process == nil || p.cmd.ProcessState != nil {
		return nil
	}
	_ = p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%v: %w: %s", p.command[1:], err, bytes.TrimSpace(p.said.Bytes()))
	}
	return nil
}

// build makes the binary, once; TestMain removes it.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "waybill-e2e-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "waybill")
	out, err := exec.Command("go", "build", "-o", binary, "waybill/cmd/waybill").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build waybill: %w: %s", err, out)
	}
	built = binary
	return binary, err
})

// built is what build has made; empty as long as nobody needed it.
var built string

// waybillBinary is the program itself.
func waybillBinary(t testing.TB) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}
