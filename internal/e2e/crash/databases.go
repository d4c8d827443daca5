package crash

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"waybill/internal/engine"
)

// postgres is a server in a child process that can be killed.
type postgres struct {
	dir    string
	server *engine.Postgres
}

func startPostgres(ctx context.Context, dir string) (*postgres, error) {
	p := &postgres{dir: dir}
	err := p.start(ctx)
	return p, err
}

func (p *postgres) start(ctx context.Context) error {
	s, err := engine.StartPostgres(ctx, engine.PostgresConfig{Dir: p.dir})
	if err == nil {
		p.server = s
	}
	return err
}

// kill ends the server with -9; its own children notice and follow.
func (p *postgres) kill() error {
	b, err := os.ReadFile(filepath.Join(p.dir, "data", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("find postgres: %w", err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil || pid <= 1 {
		return fmt.Errorf("find postgres: its file says %q", first)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill postgres: %w", err)
	}
	<-p.server.Done()
	return p.close()
}

func (p *postgres) close() error {
	if p.server == nil {
		return nil
	}
	err := p.server.Close()
	p.server = nil
	return err
}
