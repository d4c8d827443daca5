package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/app"
	"waybill/internal/cluster"
)

// onRealEngines says that the tests run on engines as an operator has them: Apache
// Kafka, and Postgres and ClickHouse as processes of their own. Otherwise they
// run on the embedded ones of app.Dev.
func onRealEngines() bool { return os.Getenv("WAYBILL_ENGINES") == "real" }

// engines are processes that a test has started, and may kill.
type engines struct {
	dir        string
	kafka      broker
	nodes      *cluster.Cluster // kafka, where it is a cluster
	postgres   *process
	clickhouse *process
	addresses  app.Addresses
}

// broker is the only one that there is, or three in a cluster that goes as one.
type broker interface {
	Addrs() []string
	Kill(ctx context.Context, id int) error
	Restart(ctx context.Context, id int) error
	Close() error
}

// startEngines starts all three, until the test ends.
func startEngines(t testing.TB, dir string, nodes int) *engines {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	e := &engines{dir: dir}
	t.Cleanup(func() {
		if err := e.close(); err != nil {
			t.Errorf("close engines: %v", err)
		}
	})
	binary := waybillBinary(t)
	var g errgroup.Group
	g.Go(func() error { return e.startCluster(ctx, nodes) })
	g.Go(func() (err error) {
		e.postgres, err = startProcess(ctx, binary, "engine", "postgres", "--dir", filepath.Join(dir, "postgres"))
		return err
	})
	g.Go(func() (err error) {
		e.clickhouse, err = startProcess(ctx, binary, "engine", "clickhouse", "--dir", filepath.Join(dir, "clickhouse"))
		return err
	})
	if err := g.Wait(); err != nil {
		t.Fatalf("start engines: %v", err)
	}
	e.addresses = app.Addresses{Kafka: e.kafka.Addrs(), Postgres: e.postgres.line, ClickHouse: e.clickhouse.line}
	return e
}

func (e *engines) startCluster(ctx context.Context, nodes int) error {
	c, err := cluster.Start(ctx, cluster.Config{Nodes: nodes, Dir: filepath.Join(e.dir, "brokers")})
	if err == nil {
		e.kafka, e.nodes = c, c
	}
	return err
}

func (e *engines) close() error {
	var g errgroup.Group
	if e.kafka != nil {
		g.Go(e.kafka.Close)
	}
	if e.postgres != nil {
		g.Go(e.postgres.Close)
	}
	if e.clickhouse != nil {
		// Its exit code says whether a query had to be cut off: nobody asks.
		g.Go(func() error { _ = e.clickhouse.Close(); return nil })
	}
	return g.Wait()
}

// StopKafka takes the only broker away: with kill -9 where it is a process.
func (w *world) StopKafka() error {
	if w.engines == nil {
		return w.Dev.StopKafka()
	}
	return w.engines.kafka.Kill(w.t.Context(), 1)
}

// StartKafka brings it back, with its log, and returns when it serves.
func (w *world) StartKafka() error {
	if w.engines == nil {
		return w.Dev.StartKafka()
	}
	return w.engines.kafka.Restart(w.t.Context(), 1)
}

// StopPostgres takes the server away: with kill -9 where it is a process.
func (w *world) StopPostgres() error {
	if w.engines == nil || w.engines.postgres == nil {
		return w.Dev.StopPostgres()
	}
	return w.engines.postgres.kill()
}

// StartPostgres brings it back, at the same address and with its rows.
func (w *world) StartPostgres(ctx context.Context) error {
	if w.engines == nil || w.engines.postgres == nil {
		return w.Dev.StartPostgres(ctx)
	}
	before := w.engines.postgres.line
	if err := w.engines.postgres.again(ctx); err != nil {
		return err
	}
	if now := w.engines.postgres.line; now != before {
		return fmt.Errorf("postgres came back at %s, it was at %s", now, before)
	}
	return nil
}

// embeddedBroker is the broker of `waybill engine kafka` in a process of its
// own, which is always node 1.
type embeddedBroker struct{ *process }

func startEmbeddedBroker(ctx context.Context, t testing.TB, dir string) (embeddedBroker, error) {
	t.Helper()
	p, err := startProcess(ctx, waybillBinary(t), "engine", "kafka", "--dir", dir, "--listen", freeAddress(t))
	return embeddedBroker{p}, err
}

// Addrs for clients.
func (b embeddedBroker) Addrs() []string { return strings.Split(b.line, ",") }

// Kill is kill -9.
func (b embeddedBroker) Kill(context.Context, int) error { return b.kill() }

// Restart starts it at the same address and with the same log.
func (b embeddedBroker) Restart(ctx context.Context, _ int) error { return b.again(ctx) }
