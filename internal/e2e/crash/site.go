package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/app"
	"waybill/internal/cluster"
)

// site is everything that runs: the brokers, the databases and the stages.
type site struct {
	dir    string
	binary string
	port   int // the first of those that it uses
	apps   map[string]app.DevApp

	kafka    *cluster.Cluster
	postgres *postgres
	dsn      string   // of Postgres; stays when it is killed and comes back
	engine   *process // ClickHouse

	mu      sync.Mutex
	stages  []*process
	retired []*process // gates that were replaced
	ended   []string   // what ended without being asked to
}

// Offsets of ports from the first one.
const (
	portGates      = 0 // +number; the replacement's +10 more
	portIngests    = 30
	portConsole    = 40
	portClickHouse = 50
	portMetrics    = 60 // + a process's place in the list
)

const (
	enginePassword = "of-a-crash-run-alone"
	clusterKey     = "8f1d3a5c7e9b0d2f4a6c8e0b1d3f5a7c9e1b3d5f7a9c0e2b4d6f8a0c2e4b6d8f"
	partitions     = 12 // of keyed topics: each broker leads four
)

// startSite brings all of it up in any order of readiness, as an operator would.
func startSite(ctx context.Context, s *site) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		s.kafka, err = cluster.Start(gctx, cluster.Config{Nodes: 3, Dir: filepath.Join(s.dir, "kafka")})
		return err
	})
	g.Go(func() (err error) {
		s.postgres, err = startPostgres(gctx, filepath.Join(s.dir, "postgres"))
		return err
	})
	g.Go(func() error {
		s.engine = s.process("clickhouse", "http://"+s.at(portClickHouse)+"/ping", "engine", "clickhouse",
			"--dir", filepath.Join(s.dir, "clickhouse"), "--listen", s.at(portClickHouse))
		s.engine.env = []string{"WAYBILL_CLICKHOUSE_PASSWORD=" + enginePassword}
		return errors.Join(s.engine.start(), s.engine.awaitReady(gctx))
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("start engines: %w", err)
	}
	s.dsn = s.postgres.server.DSN()
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.list()
	for _, p := range s.stages {
		if err := p.start(); err != nil {
			return err
		}
	}
	return s.awaitReady(ctx)
}

// migrate runs the tool; the keys of the app are in a file.
func (s *site) migrate(ctx context.Context) error {
	file := filepath.Join(s.dir, "apps.json")
	devices := map[string]string{freight: "many", post: "one_per_user"}
	var apps []any
	for _, name := range []string{freight, post} {
		apps = append(apps, map[string]any{
			"name":       name,
			"api_keys":   []any{map[string]string{"id": "office", "key": s.apps[name].APIKey}},
			"token_keys": []any{map[string]string{"id": "dev", "algorithm": "HS256", "secret": s.apps[name].Secret}},
			"policy":     map[string]string{"devices": devices[name]},
		})
	}
	b, err := json.Marshal(map[string]any{"apps": apps})
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return err
	}
	args := append([]string{"migrate", "--apps", file, "--partitions", fmt.Sprint(partitions), "--dispatch", "8"}, s.engines()...)
	if out, err := exec.CommandContext(ctx, s.binary, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("migrate: %w: %s", err, out)
	}
	return nil
}

func (s *site) at(offset int) string { return fmt.Sprintf("127.0.0.1:%d", s.port+offset) }

// engines are the addresses as every stage takes them.
func (s *site) engines() []string {
	return []string{"--kafka", strings.Join(s.kafka.Addrs(), ","), "--postgres", s.dsn, "--clickhouse", s.clickhouse()}
}

func (s *site) clickhouse() string {
	return fmt.Sprintf("http://waybill:%s@%s/default", enginePassword, s.at(portClickHouse))
}

// died starts a process again after a while, as its supervisor would.
func (s *site) died(p *process, err error) {
	s.mu.Lock()
	s.ended = append(s.ended, fmt.Sprintf("%s: %v", p.name, err))
	s.mu.Unlock()
	time.AfterFunc(time.Second, func() { _ = p.start() })
}

// endedAlone says what ended without being asked to.
func (s *site) endedAlone() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ended)
}

// awaitReady waits until every stage does its work.
func (s *site) awaitReady(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range s.all() {
		g.Go(func() error { return p.awaitReady(ctx) })
	}
	return g.Wait()
}

func (s *site) all() []*process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stages)
}

// find a process by its name.
func (s *site) find(name string) *process {
	for _, p := range append(s.all(), s.engine) {
		if p.name == name {
			return p
		}
	}
	return nil
}

// close ends everything that was started; what ends must end well.
func (s *site) close() error {
	g := new(errgroup.Group)
	for _, p := range s.all() {
		g.Go(func() error { return p.finish(syscall.SIGTERM, 30*time.Second) })
	}
	err := g.Wait()
	for _, p := range s.retired {
		err = errors.Join(err, p.kill()) // it has ended, unless the run did not come to it
	}
	if s.engine != nil {
		err = errors.Join(err, s.engine.finish(syscall.SIGTERM, 30*time.Second))
	}
	if s.postgres != nil {
		err = errors.Join(err, s.postgres.close())
	}
	if s.kafka != nil {
		err = errors.Join(err, s.kafka.Close())
	}
	return err
}
