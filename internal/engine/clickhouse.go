package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// ClickHouseConfig says where the embedded ClickHouse keeps its data.
type ClickHouseConfig struct {
	// Dir is the engine's directory.
	Dir string
	// Command is the program that becomes the engine, with its first arguments;
	// "--dir" and Dir are appended. Default: this binary with "engine
	// clickhouse", which a test binary understands too if its TestMain calls
	// ChildMain.
	Command []string
	// Log gets what the child writes to its standard error. Default: none.
	Log *slog.Logger
	// Progress is told in plain words about what takes long, such as a download.
	// Default: nobody is.
	Progress func(string)
}

// ClickHouse is the engine in a child process.
type ClickHouse struct {
	child *child
	lock  *Lock
	stdin io.Closer // whose end tells the child to stop
	dsn   *url.URL
}

// Environment of the child: lockVariable names the directory whose lock it got
// as its fourth descriptor, childVariable the engine that it is meant to be.
const (
	lockVariable  = "WAYBILL_ENGINE_LOCKED"
	childVariable = "WAYBILL_ENGINE_CHILD"
	lockFD        = 3
)

// StartClickHouse starts the engine on its directory and returns when it
// answers. ctx bounds the start only. The library is the file in CHDB_LIB_PATH,
// else the pinned one from the cache (Fetch).
func StartClickHouse(ctx context.Context, cfg ClickHouseConfig) (*ClickHouse, error) {
	if name := os.Getenv(childVariable); name != "" {
		return nil, fmt.Errorf("start clickhouse: this process is meant to be the %s engine itself; its TestMain must call engine.ChildMain first", name)
	}
	lock, err := LockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start clickhouse: %w", err)
	}
	c := &ClickHouse{lock: lock}
	if err := c.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start clickhouse: %w", err), c.Close())
	}
	return c, nil
}

func (c *ClickHouse) start(ctx context.Context, cfg ClickHouseConfig) error {
	library, err := libraryPath(ctx, cfg.Progress)
	if err != nil {
		return err
	}
	cmd, err := cfg.command(library, c.lock)
	if err != nil {
		return err
	}
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		return err
	}
	first := &firstLine{ready: make(chan struct{})}
	cmd.Stdout = &tail{line: first.take}
	if c.child, err = startChild(cmd, 0, logLines(cfg.Log)); err != nil {
		return err
	}
	if err := c.child.await(ctx, first.ready); err != nil {
		return err
	}
	if c.dsn, err = url.Parse(first.text); err != nil {
		return fmt.Errorf("read the address that the engine printed: %w", err)
	}
	return nil
}

func (cfg ClickHouseConfig) command(library string, lock *Lock) (*exec.Cmd, error) {
	command := cfg.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		command = []string{self, "engine", clickhouseName}
	}
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], "--dir", cfg.Dir)...)
	cmd.Env = append(os.Environ(), libraryVariable+"="+library, lockVariable+"="+cfg.Dir, childVariable+"="+clickhouseName)
	cmd.ExtraFiles = []*os.File{lock.file}
	return cmd, nil
}

// firstLine keeps the first line of an output and says that it is there.
type firstLine struct {
	once  sync.Once
	text  string // set before ready is closed
	ready chan struct{}
}

func (f *firstLine) take(line string) {
	f.once.Do(func() {
		f.text = line
		close(f.ready)
	})
}

func logLines(log *slog.Logger) func(string) {
	if log == nil {
		return nil
	}
	return func(line string) { log.Warn("clickhouse engine", "message", line) }
}

// Addr is host:port of the loopback HTTP endpoint; it asks for the user and the
// password that are in DSN.
func (c *ClickHouse) Addr() string { return c.dsn.Host }

// DSN is the address in the form that clickhouse-go takes, with a password drawn
// for this start.
func (c *ClickHouse) DSN() string { return c.dsn.String() }

// Done is closed when the engine has ended, whoever ended it.
func (c *ClickHouse) Done() <-chan struct{} { return c.child.done }

// Close lets running queries end for a few seconds, closes the data directory
// and waits for the end of the process.
func (c *ClickHouse) Close() error {
	var err error
	if c.child != nil {
		_ = c.stdin.Close()
		if !c.child.endsWithin(stopPatience) {
			err = c.child.stop(stopPatience, syscall.SIGKILL)
		}
	}
	return errors.Join(err, c.lock.Release())
}
