package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"waybill/internal/app"
	"waybill/internal/load"
)

// starter starts what the suite measures, as processes of this binary. cluster
// is the script that runs Apache Kafka.
func starter(cluster string) load.Starter {
	return load.Starter{
		Dev: spawnDev, Gate: spawnGate, Echo: spawnEcho, Split: spawnSplit, Projector: spawnProjector,
		Kafka: func(ctx context.Context, nodes int) ([]string, int, func() error, error) {
			return spawnKafka(ctx, cluster, nodes)
		},
	}
}

// self starts the command line of a process of this binary.
func self(arguments ...string) ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return append([]string{exe, "--log-level", "warn"}, arguments...), nil
}

// spawnEcho starts the yardstick.
func spawnEcho(ctx context.Context) (t load.Target, stop func() error, err error) {
	command, err := self("load", "echo")
	if err != nil {
		return t, nil, err
	}
	child, line, err := load.StartChild(ctx, "echo ", command...)
	if err != nil {
		return t, nil, err
	}
	return load.Target{Gates: []string{line[len("echo "):]}, PIDs: []int{child.PID()}}, child.Stop, nil
}

// spawnDev starts a Waybill in a directory that goes with it.
func spawnDev(ctx context.Context, o load.DevOptions) (t load.Target, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "waybill-load-")
	if err != nil {
		return t, nil, fmt.Errorf("make a directory: %w", err)
	}
	t, child, err := startDev(ctx, dir, o)
	if err != nil {
		return t, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return t, func() error { return errors.Join(child.Stop(), os.RemoveAll(dir)) }, nil
}

func startDev(ctx context.Context, dir string, o load.DevOptions) (t load.Target, child *load.Child, err error) {
	at, err := load.FreePorts(4 + max(o.Gates, 1))
	if err != nil {
		return t, nil, err
	}
	gates := at[4:]
	command, err := self("dev", "--dir", dir, "--gates", strings.Join(gates, ","), "--ingest", at[0], "--console", at[1], "--metrics", at[2])
	if err != nil {
		return t, nil, err
	}
	if o.Sync {
		command = append(command, "--sync")
	}
	if len(o.Kafka) > 0 {
		command = append(command, "--kafka", strings.Join(o.Kafka, ","))
	} else {
		command = append(command, "--broker", at[3])
	}
	child, _, err = load.StartChild(ctx, "Waybill is up", command...)
	if err != nil {
		return t, nil, err
	}
	a, err := app.LoadDevApp(filepath.Join(dir, "app.json"))
	if err != nil {
		return t, nil, errors.Join(err, child.Stop())
	}
	return load.Target{
		Gates: gates, API: at[0], Console: at[1], Metrics: at[2], Key: a.APIKey, Token: a.Token, PIDs: []int{child.PID()},
		Dir: dir, Broker: at[3],
	}, child, nil
}

// spawnGate starts a second gate beside a spawned Waybill.
func spawnGate(ctx context.Context, beside load.Target) (t load.Target, stop func() error, err error) {
	key, err := os.ReadFile(filepath.Join(beside.Dir, "cluster.key"))
	if err != nil {
		return t, nil, fmt.Errorf("read cluster key: %w", err)
	}
	at, err := load.FreePorts(2)
	if err != nil {
		return t, nil, err
	}
	command, err := self("gate", "--number", "2", "--kafka", beside.Broker, "--cluster-key", hex.EncodeToString(key), "--listen", at[0], "--metrics", at[1], "--drain-time", "0")
	if err != nil {
		return t, nil, err
	}
	child, err := load.StartReady(ctx, at[1], command...)
	if err != nil {
		return t, nil, err
	}
	t = beside
	t.Gates, t.Metrics, t.PIDs = []string{at[0]}, at[1], []int{child.PID()}
	return t, child.Stop, nil
}

// spawnKafka starts Apache Kafka, compiled for speed, on ports above those of load.FreePorts. It
// ends with its standard input, however this process ends.
func spawnKafka(ctx context.Context, script string, nodes int) (brokers []string, pid int, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "waybill-kafka-")
	if err != nil {
		return nil, 0, nil, fmt.Errorf("make a directory: %w", err)
	}
	env := []string{"KAFKA_DATA=" + dir, "KAFKA_PORT=23920", "KAFKA_JVM=", "KAFKA_HEAP=768m"}
	child, line, err := load.StartHeld(ctx, env, script, "hold", fmt.Sprint(nodes))
	if err != nil {
		return nil, 0, nil, errors.Join(err, os.RemoveAll(dir))
	}
	brokers = strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' })
	return brokers, child.PID(), func() error { return errors.Join(child.Stop(), os.RemoveAll(dir)) }, nil
}
