package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/cluster"
	"waybill/internal/e2e/program"
)

// onRealEngines says that the tests run on engines as an operator has them: Apache
// Kafka, and Postgres and ClickHouse as processes of their own. Otherwise they
// run on the embedded ones of app.Dev.
func onRealEngines() bool { return os.Getenv("WAYBILL_ENGINES") == "real" }

// engines are processes that a test has started, and may kill.
type engines struct {
	kafka     broker
	nodes     *cluster.Cluster // kafka, where it is a cluster
	postgres  *program.Process // nil = the embedded one of Dev
	addresses app.Addresses
}

// broker is the only one that there is, or those of a cluster.
type broker interface {
	Kill(ctx context.Context, id int) error
	Restart(ctx context.Context, id int) error
}

// startEngines starts all three, until the test ends.
func startEngines(t testing.TB, dir string, nodes int) *engines {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	start := func(name string) *program.Process {
		return program.Start(t, exec.Command(waybillBinary(t), "engine", name, "--dir", filepath.Join(dir, name)))
	}
	postgres, clickhouse := start("postgres"), start("clickhouse")
	endsWell(t, postgres)
	endsWell(t, clickhouse)
	kafka, err := cluster.Start(ctx, cluster.Config{Nodes: nodes, Dir: filepath.Join(dir, "brokers")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kafka.Close(); err != nil {
			t.Error(err)
		}
	})
	return &engines{
		kafka: kafka, nodes: kafka, postgres: postgres,
		addresses: app.Addresses{Kafka: kafka.Addrs(), Postgres: postgres.FirstLine(t), ClickHouse: clickhouse.FirstLine(t)},
	}
}

// endsWell drains a process at the end of the test, and wants exit code 0.
func endsWell(t testing.TB, p *program.Process) {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Stop(patience); err != nil {
			t.Error(err)
		}
	})
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
	return w.engines.postgres.Kill()
}

// StartPostgres brings it back, at the same address and with its rows.
func (w *world) StartPostgres(ctx context.Context) error {
	if w.engines == nil || w.engines.postgres == nil {
		return w.Dev.StartPostgres(ctx)
	}
	w.engines.postgres.Again(w.t)
	if now := w.engines.postgres.FirstLine(w.t); now != w.Base.Postgres {
		return fmt.Errorf("postgres came back at %s, it was at %s", now, w.Base.Postgres)
	}
	return nil
}

// embeddedBroker is the broker of `waybill engine kafka` in a process of its
// own, which is always node 1.
type embeddedBroker struct {
	t testing.TB
	*program.Process
}

func startEmbeddedBroker(t testing.TB, dir string) embeddedBroker {
	t.Helper()
	p := program.Start(t, exec.Command(waybillBinary(t), "engine", "kafka", "--dir", dir, "--listen", freeAddress(t)))
	endsWell(t, p)
	return embeddedBroker{t, p}
}

// addrs for clients.
func (b embeddedBroker) addrs() []string { return strings.Split(b.FirstLine(b.t), ",") }

// Kill is kill -9.
func (b embeddedBroker) Kill(context.Context, int) error { return b.Process.Kill() }

// Restart starts it at the same address and with the same log.
func (b embeddedBroker) Restart(context.Context, int) error {
	b.Again(b.t)
	b.FirstLine(b.t)
	return nil
}
