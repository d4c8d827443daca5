package crash

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// brokers are three nodes of Apache Kafka, held by the project's own script: it
// removes them when the pipe to it closes, so they end with this process.
type brokers struct {
	script    string
	env       []string
	data      string
	addresses []string

	hold  *exec.Cmd
	stdin io.Closer
}

// startBrokers returns when every node sees the other two.
func startBrokers(root, dir string, port int) (*brokers, error) {
	b := &brokers{script: filepath.Join(root, ".ci", "kafka", "cluster"), data: filepath.Join(dir, "kafka")}
	b.env = append(os.Environ(), "KAFKA_DATA="+b.data, "KAFKA_PORT="+strconv.Itoa(port))
	b.hold = exec.Command(b.script, "hold", "3")
	b.hold.Env = b.env
	b.hold.Stderr = os.Stderr
	b.hold.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if b.stdin, err = b.hold.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.hold.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.hold.Start(); err != nil {
		return nil, fmt.Errorf("start brokers: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start brokers: %w", err)
	}
	b.addresses = strings.Split(strings.TrimSpace(line), ",")
	return b, nil
}

// do one command of the script to the node of that name.
func (b *brokers) do(ctx context.Context, command, name string) error {
	cmd := exec.CommandContext(ctx, b.script, command, strings.TrimPrefix(name, "broker-"))
	cmd.Env = b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", command, name, err, out)
	}
	return nil
}

// close ends the nodes and removes their data.
func (b *brokers) close() {
	_ = b.stdin.Close()
	_ = b.hold.Wait()
}
