package cluster

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config of a cluster.
type Config struct {
	// Nodes is 1 or 3.
	Nodes int
	// Dir gets a folder for each node: its data, its settings and what it said
	// (out). It is emptied by Close.
	Dir string
	// Extra are settings of the brokers, one key=value a line; they win over the
	// script's.
	Extra string
}

// Cluster is an Apache Kafka that runs until Close. Its methods may be called
// from several goroutines, for different nodes.
//
// Its process is the script, which does not die with the test by the kernel's
// hand: it notices, and wipes what the brokers have left.
type Cluster struct {
	script string
	env    []string
	addrs  []string

	hold  *exec.Cmd
	stdin io.Closer
	said  *bytes.Buffer // by the script, on stderr; read only after ended
	ended chan struct{} // closed when the script has ended; err is set before
	err   error
}

// Start starts the nodes and returns when each of them serves clients and sees
// the others. ctx bounds the start. The first start on a machine fetches Kafka.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	script, err := findScript()
	if err != nil {
		return nil, fmt.Errorf("start kafka cluster: %w", err)
	}
	c := &Cluster{script: script, said: new(bytes.Buffer), ended: make(chan struct{})}
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	c.env = append(os.Environ(), "KAFKA_DATA="+cfg.Dir, "KAFKA_HOST="+host, "KAFKA_PORT=19090", "KAFKA_EXTRA="+cfg.Extra)
	if err := c.start(ctx, cfg.Nodes); err != nil {
		return nil, fmt.Errorf("start kafka cluster: %w", err)
	}
	return c, nil
}

// start lets the script hold the brokers, in a process group of its own: a
// Ctrl-C is for the test, which ends them.
func (c *Cluster) start(ctx context.Context, nodes int) error {
	c.hold = exec.Command(c.script, "hold", strconv.Itoa(nodes))
	c.hold.Env = c.env
	c.hold.Stderr = c.said
	c.hold.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := c.hold.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := c.hold.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.hold.Start(); err != nil {
		return err
	}
	c.stdin = stdin
	line := make(chan string, 1)
	go func() {
		defer close(c.ended)
		first, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- strings.TrimSpace(first)
		c.err = c.hold.Wait()
	}()
	return c.await(ctx, line)
}

// await waits for the line that says where the nodes serve.
func (c *Cluster) await(ctx context.Context, line <-chan string) error {
	select {
	case addrs := <-line:
		if addrs == "" {
			return errors.Join(errors.New("the cluster has not come up"), c.Close())
		}
		c.addrs = strings.Split(addrs, ",")
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), c.Close())
	}
}

// findScript looks for the script from the test's package upwards.
func findScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		script := filepath.Join(dir, ".ci", "kafka", "cluster")
		if _, err := os.Stat(script); err == nil {
			return script, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("there is no .ci/kafka/cluster above the working directory")
		}
		dir = up
	}
}

// Addrs are the nodes' addresses for clients, that of node 1 first.
func (c *Cluster) Addrs() []string { return c.addrs }

// Kill ends a node as kill -9 does and returns when the process is gone.
func (c *Cluster) Kill(ctx context.Context, id int) error { return c.do(ctx, "kill", id) }

// Pause stops a node in the middle of what it does (SIGSTOP), until Wake.
func (c *Cluster) Pause(ctx context.Context, id int) error { return c.do(ctx, "pause", id) }

// Wake lets a paused node go on.
func (c *Cluster) Wake(ctx context.Context, id int) error { return c.do(ctx, "wake", id) }

// Restart starts a node again, ending it first if it runs, and returns when it
// serves clients: within seconds, and after a Kill not before the node's old
// session has ended.
func (c *Cluster) Restart(ctx context.Context, id int) error { return c.do(ctx, "restart", id) }

// do lets the script do something to one node.
func (c *Cluster) do(ctx context.Context, what string, id int) error {
	cmd := exec.CommandContext(ctx, c.script, what, strconv.Itoa(id))
	cmd.Env = c.env
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s kafka node %d: %w: %s", what, id, err, bytes.TrimSpace(out))
	}
	return nil
}

// Close ends every node at once and removes the data. Its error carries what
// the script said, if that has ended before, or badly.
func (c *Cluster) Close() error {
	early := c.hasEnded()
	_ = c.stdin.Close()
	<-c.ended
	if c.err != nil || early {
		return fmt.Errorf("the script that held the kafka cluster has ended: %w: %s",
			errors.Join(c.err, errEarly(early)), bytes.TrimSpace(c.said.Bytes()))
	}
	return nil
}

func (c *Cluster) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func errEarly(early bool) error {
	if early {
		return errors.New("before it was asked to")
	}
	return nil
}
