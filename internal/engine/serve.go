package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"waybill/internal/engine/chdb"
)

const clickhouseName = "clickhouse"

// ServeKafka runs the broker alone: it prints its address to out as one line,
// then serves until stdin ends or ctx is done. listen is "" or a loopback
// address.
func ServeKafka(ctx context.Context, dir, listen string, stdin io.Reader, out io.Writer) error {
	k, err := StartKafka(KafkaConfig{Dir: dir, Listen: listen, Log: stderrLog()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, strings.Join(k.Addrs(), ","))
	if err == nil {
		<-untilEOF(ctx, stdin).Done()
	}
	return errors.Join(err, k.Close())
}

// ServePostgres is ServeKafka for Postgres. It prints a DSN.
func ServePostgres(ctx context.Context, dir string, stdin io.Reader, out io.Writer) error {
	p, err := StartPostgres(ctx, PostgresConfig{Dir: dir, Log: stderrLog(), Progress: toStderr})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, p.DSN())
	if err == nil {
		select {
		case <-untilEOF(ctx, stdin).Done():
		case <-p.Done():
			err = fmt.Errorf("serve postgres: %w", p.child.failure())
		}
	}
	return errors.Join(err, p.Close())
}

// passwordVariable sets the password of an engine whose address must stay the
// same when it is started again; without it each start draws one.
const passwordVariable = "WAYBILL_CLICKHOUSE_PASSWORD"

// ServeClickHouse is ServeKafka for ClickHouse, in this process: it is what the
// child of StartClickHouse runs, and ends the process's use of the library for
// good. It prints a DSN; its password is that of WAYBILL_CLICKHOUSE_PASSWORD.
func ServeClickHouse(ctx context.Context, dir, listen string, stdin io.Reader, out io.Writer) error {
	lock, err := lockOrInherit(dir)
	if err != nil {
		return fmt.Errorf("serve clickhouse: %w", err)
	}
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	err = serveClickHouse(ctx, serving{dir: dir, listen: listen, stdin: stdin, out: out})
	return errors.Join(err, lock.Release())
}

// lockOrInherit takes the directory's lock, unless this process was started with
// it.
func lockOrInherit(dir string) (*Lock, error) {
	if inherited := os.Getenv(lockVariable); inherited == "" || inherited != dir {
		return LockDir(dir)
	}
	unix.CloseOnExec(lockFD)
	return &Lock{file: os.NewFile(lockFD, lockName), inherited: true}, nil
}

type serving struct {
	dir, listen string
	stdin       io.Reader
	out         io.Writer
}

// drainTimeout is how long queries may run on after the end of stdin; then the
// end of the process ends them.
const drainTimeout = 5 * time.Second

func serveClickHouse(ctx context.Context, s serving) error {
	if err := standBehind(); err != nil {
		return fmt.Errorf("lower the priority of the engine: %w", err)
	}
	ctx = untilEOF(ctx, s.stdin)
	password := cmp.Or(os.Getenv(passwordVariable), rand.Text())
	server, err := openClickHouse(ctx, s.dir, password)
	if err != nil {
		return err
	}
	ln, err := listenLoopback(s.listen)
	if err != nil {
		return errors.Join(err, closeServer(server))
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	dsn := url.URL{Scheme: "http", User: url.UserPassword(chdb.User, password), Host: ln.Addr().String(), Path: "/default"}
	_, err = fmt.Fprintln(s.out, dsn.String())
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-served:
		}
	}
	return errors.Join(err, closeServer(server))
}

func openClickHouse(ctx context.Context, dir, password string) (*chdb.Server, error) {
	path, err := libraryPath(ctx, toStderr)
	if err != nil {
		return nil, err
	}
	library, err := chdb.Load(path)
	if err != nil {
		return nil, err
	}
	err = marker{clickhouseName, release(library.Version())}.claim(dir, "set "+libraryVariable+" to a libchdb.so of that version")
	if err != nil {
		return nil, err
	}
	return chdb.NewServer(library, chdb.Config{Path: filepath.Join(dir, dataName), Password: password})
}

// release is year and month of a version: its patches share their data.
func release(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// closeServer ends well though a query runs on: whoever asked it has no answer,
// and asks again. That is a line for the operator and no failure, as with calls
// that ingest cuts.
func closeServer(s *chdb.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := s.Close(ctx)
	if errors.Is(err, chdb.ErrRunning) {
		stderrLog().Warn("queries cut while draining", "seconds", drainTimeout.Seconds())
		return nil
	}
	return err
}

func listenLoopback(address string) (net.Listener, error) {
	if err := checkLoopback(address); err != nil {
		return nil, err
	}
	return net.Listen("tcp", address)
}

// untilEOF is done when ctx is, or when stdin ends: whoever started this process
// has gone. Its goroutine ends with stdin.
func untilEOF(ctx context.Context, stdin io.Reader) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, stdin)
	}()
	return ctx
}

func stderrLog() *slog.Logger { return slog.New(slog.NewTextHandler(os.Stderr, nil)) }

func toStderr(line string) { fmt.Fprintln(os.Stderr, line) }

// ChildMain turns this process into an engine if StartClickHouse started it for
// that, and never returns then. A test binary whose tests start ClickHouse calls
// it first in its TestMain, since what StartClickHouse starts is the binary that
// it runs in.
func ChildMain() {
	if os.Getenv(childVariable) != clickhouseName || len(os.Args) != 5 {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	if err := ServeClickHouse(ctx, os.Args[4], "", os.Stdin, os.Stdout); err != nil {
		toStderr(err.Error())
		os.Exit(1)
	}
	stop()
	os.Exit(0)
}
