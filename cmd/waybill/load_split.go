package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"waybill/internal/app"
	"waybill/internal/load"
)

// Of a split Waybill: as many as dev has.
const (
	splitPartitions = "4"
	splitDispatch   = "8"
)

// mostStages are processes of a split Waybill, beside its engines.
const mostStages = 6

// splitting is a Waybill in processes while it is put together.
type splitting struct {
	dir     string
	kafka   string
	engines []string // flags with the addresses of the engines
	pids    []int
	end     load.Ending
}

func newSplitting() (*splitting, error) {
	dir, err := os.MkdirTemp("", "waybill-split-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	s := &splitting{dir: dir}
	s.end.Add(func() error { return os.RemoveAll(dir) })
	return s, nil
}

func (s *splitting) started(child *load.Child) {
	s.pids = append(s.pids, child.PID())
	s.end.Add(child.Stop)
}

// engine starts one and returns its address.
func (s *splitting) engine(ctx context.Context, kind, dir string) (string, error) {
	command, err := self("engine", kind, "--dir", dir)
	if err != nil {
		return "", err
	}
	child, line, err := load.StartHeld(ctx, nil, command...)
	if err != nil {
		return "", err
	}
	s.started(child)
	s.engines = append(s.engines, "--"+kind, line)
	return line, nil
}

// startEngines starts the broker on logDir and those databases.
func (s *splitting) startEngines(ctx context.Context, logDir string, databases ...string) (err error) {
	if s.kafka, err = s.engine(ctx, "kafka", logDir); err != nil {
		return err
	}
	for _, kind := range databases {
		if _, err := s.engine(ctx, kind, filepath.Join(s.dir, kind)); err != nil {
			return err
		}
	}
	return nil
}

// migrate brings topics, schemas and the app up to date. An engine that was not
// started is left out.
func (s *splitting) migrate(ctx context.Context, more ...string) error {
	arguments := append([]string{"migrate", "--partitions", splitPartitions, "--dispatch", splitDispatch}, s.engines...)
	for _, kind := range []string{"--postgres", "--clickhouse"} {
		if !slices.Contains(s.engines, kind) {
			arguments = append(arguments, kind, "")
		}
	}
	command, err := self(append(arguments, more...)...)
	if err != nil {
		return err
	}
	return load.RunChild(ctx, command...)
}

// stage starts one, whose private address is to be that.
func (s *splitting) stage(ctx context.Context, private string, arguments ...string) error {
	command, err := self(append(append(arguments, "--metrics", private), s.engines...)...)
	if err != nil {
		return err
	}
	child, err := load.StartReady(ctx, private, command...)
	if err != nil {
		return err
	}
	s.started(child)
	return nil
}

// spawnSplit starts every engine and every stage as a process.
func spawnSplit(ctx context.Context, o load.SplitOptions) (t load.Target, stop func() error, err error) {
	s, err := newSplitting()
	if err != nil {
		return t, nil, err
	}
	logDir, databases := o.LogDir, []string{"postgres"}
	if logDir == "" {
		logDir = filepath.Join(s.dir, "kafka")
	}
	if !o.NoProjectors {
		databases = append(databases, "clickhouse")
	}
	if err = s.startEngines(ctx, logDir, databases...); err == nil {
		t, err = s.stages(ctx, o.NoProjectors)
	}
	if err != nil {
		return t, nil, s.end.Because(err)
	}
	t.PIDs = s.pids
	return t, s.end.Run, nil
}

// stages starts readers before writers.
func (s *splitting) stages(ctx context.Context, noProjectors bool) (t load.Target, err error) {
	a, file, err := s.app()
	if err != nil {
		return t, err
	}
	if err := s.migrate(ctx, "--apps", file); err != nil {
		return t, err
	}
	at, err := load.FreePorts(3 + mostStages) // all at once: none may be given twice
	if err != nil {
		return t, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	t = load.Target{Gates: at[:1], API: at[1], Key: a.APIKey, Token: a.Token, Broker: s.kafka}
	commands := [][]string{{"delivery"}, {"ingest", "--listen", at[1]}, {"gate", "--listen", at[0], "--cluster-key", hex.EncodeToString(key), "--drain-time", "0"}}
	if !noProjectors {
		t.Console = at[2]
		commands = append([][]string{{"projector", "--only", "session"}, {"projector", "--only", "hop"}, {"console", "--listen", at[2]}}, commands...)
	}
	for i, command := range commands {
		if err := s.stage(ctx, at[3+i], command...); err != nil {
			return t, err
		}
	}
	return t, nil
}

// app draws an app and writes the file that migrate reads.
func (s *splitting) app() (a app.DevApp, file string, err error) {
	a = app.NewDevApp()
	text, err := a.File()
	if err != nil {
		return a, "", err
	}
	file = filepath.Join(s.dir, "apps.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return a, "", fmt.Errorf("keep the app: %w", err)
	}
	return a, file, nil
}

// projector starts one and returns its private address.
func (s *splitting) projector(ctx context.Context, only string) (string, error) {
	at, err := load.FreePorts(1)
	if err != nil {
		return "", err
	}
	return at[0], s.stage(ctx, at[0], "projector", "--only", only)
}

// spawnProjector starts a projector alone on a recorded log.
func spawnProjector(ctx context.Context, o load.ProjectorOptions) (t load.Target, stop func() error, err error) {
	s, err := newSplitting()
	if err != nil {
		return t, nil, err
	}
	database := map[string]string{"session": "postgres", "hop": "clickhouse"}[o.Only]
	if err = s.startEngines(ctx, o.LogDir, database); err == nil {
		err = s.migrate(ctx)
	}
	if err == nil {
		t.Metrics, err = s.projector(ctx, o.Only)
	}
	if err != nil {
		return t, nil, s.end.Because(err)
	}
	t.PIDs = s.pids
	return t, s.end.Run, nil
}
