package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// PostgresConfig says where the embedded Postgres keeps its data.
type PostgresConfig struct {
	// Dir is the engine's directory. It may lie below a directory that only this
	// user may enter, also for root.
	Dir string
	// Log gets the server's warnings and errors. Default: none.
	Log *slog.Logger
	// Progress is told in plain words about what takes long, such as a download.
	// Default: nobody is.
	Progress func(string)
}

// Postgres is a server in a child process. It listens on a Unix socket that only
// its user and root may reach, and trusts whoever does.
type Postgres struct {
	child  *child
	lock   *Lock
	socket string
}

// StartPostgres starts the server on its directory, which is made first if it is
// new, and returns when it accepts connections. ctx bounds the start only.
//
// Binaries come from WAYBILL_PG_BIN, else from the newest installed Postgres
// that can read the directory, else from the cache (Fetch). Root cannot run
// Postgres: for root the child runs as user 65534 (nobody), who then owns the
// data.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	lock, err := LockDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	p := &Postgres{lock: lock}
	if err := p.start(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), p.Close())
	}
	return p, nil
}

func (p *Postgres) start(ctx context.Context, cfg PostgresConfig) error {
	server, err := findServer(ctx, cfg)
	if err != nil {
		return err
	}
	if err := server.createData(ctx, cfg.Dir, p.lock); err != nil {
		return err
	}
	if p.socket, err = socketDir(cfg.Dir); err != nil {
		return err
	}
	return p.launch(ctx, server, cfg)
}

// readyLine is what the server logs when it accepts connections; its messages
// are English, because the data directory has no locale.
const readyLine = "database system is ready to accept connections"

func (p *Postgres) launch(ctx context.Context, server pgServer, cfg PostgresConfig) error {
	cmd, closeData, err := server.command(filepath.Join(cfg.Dir, dataName), p.lock, "postgres",
		"-D", inheritedDir, "-k", p.socket, "-c", "listen_addresses=")
	if err != nil {
		return err
	}
	defer closeData()
	ready := make(chan struct{})
	once := sync.OnceFunc(func() { close(ready) })
	p.child, err = startChild(cmd, syscall.SIGINT, func(line string) {
		if strings.Contains(line, readyLine) {
			once()
		}
		logPostgres(cfg.Log, line)
	})
	if err != nil {
		return err
	}
	return p.child.await(ctx, ready)
}

// logPostgres hands on what an operator should see. Errors of statements are not
// among it: who sent the statement has them.
func logPostgres(log *slog.Logger, line string) {
	_, message, ok := strings.Cut(line, "] ")
	if log == nil || !ok || strings.Contains(message, "terminating connection due to administrator command") {
		return
	}
	level, _, _ := strings.Cut(message, ":")
	switch level {
	case "WARNING":
		log.Warn("postgres engine", "message", message)
	case "FATAL", "PANIC":
		log.Error("postgres engine", "message", message)
	}
}

// DSN is the address in the form that pgx and database/sql take.
func (p *Postgres) DSN() string {
	return "postgres://" + superuser + "@/postgres?" + url.Values{"host": {p.socket}, "sslmode": {"disable"}}.Encode()
}

// Done is closed when the server has ended, whoever ended it.
func (p *Postgres) Done() <-chan struct{} { return p.child.done }

// stopPatience is how long each way to end a child may take, from the most
// polite one on.
const stopPatience = 10 * time.Second

// Close ends all connections, writes a checkpoint and stops the server. It waits
// until that is done.
func (p *Postgres) Close() error {
	var err error
	if p.child != nil {
		err = p.child.stop(stopPatience, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL)
	}
	if p.socket != "" {
		err = errors.Join(err, os.RemoveAll(p.socket))
	}
	return errors.Join(err, p.lock.Release())
}

const (
	superuser = "waybill"
	dataName  = "data"
	// nobody is the user of a child that may not be root.
	nobody = 65534
	// inheritedDir is the data directory as the child names it: an open
	// descriptor, which it may use also where it could not walk to. It is the
	// first of cmd.ExtraFiles; the lock is the second.
	inheritedDir = "/proc/self/fd/3"
)

// childUser is the user id that the server runs as.
func childUser() int {
	if uid := os.Geteuid(); uid != 0 {
		return uid
	}
	return nobody
}

// command prepares one of the server's programs for the data directory. The
// returned function closes what only the start needs.
func (s pgServer) command(data string, lock *Lock, program string, args ...string) (*exec.Cmd, func(), error) {
	dir, err := os.Open(data)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGDATA=")
	cmd.ExtraFiles = []*os.File{dir, lock.file}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{}}}
	}
	return cmd, func() { _ = dir.Close() }, nil
}

// createData makes the data directory if there is none. It is made beside its
// place and moved there when it is whole.
func (s pgServer) createData(ctx context.Context, dir string, lock *Lock) error {
	mark := marker{"postgres", strconv.Itoa(s.major)}
	data := filepath.Join(dir, dataName)
	if _, err := os.Stat(data); err == nil {
		return mark.claim(dir, "name the folder of its programs in WAYBILL_PG_BIN")
	}
	unfinished := data + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := ownedDir(unfinished); err != nil {
		return err
	}
	if err := s.initdb(ctx, unfinished, lock); err != nil {
		return err
	}
	if err := mark.write(dir); err != nil {
		return err
	}
	return os.Rename(unfinished, data)
}

// initdb leaves the writing to disk to the system (--no-sync): a directory that
// a power cut spoils in its first half minute had nothing in it to lose.
func (s pgServer) initdb(ctx context.Context, data string, lock *Lock) error {
	cmd, closeData, err := s.command(data, lock, "initdb",
		"-D", inheritedDir, "-U", superuser, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	if err != nil {
		return err
	}
	defer closeData()
	c, err := startChild(cmd, syscall.SIGKILL, nil)
	if err != nil {
		return err
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), c.stop(stopPatience, syscall.SIGKILL))
	}
	if c.err != nil {
		return fmt.Errorf("initdb: %w", c.failure())
	}
	return nil
}

// ownedDir makes a directory that only the server's user may enter.
func ownedDir(path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return os.Chown(path, childUser(), -1)
}
