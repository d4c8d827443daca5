package crash

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"waybill/internal/cluster"
)

// sleeper is a process that does nothing until it is ended.
func sleeper(t *testing.T, command ...string) *process {
	t.Helper()
	p := &process{name: "sleeper", command: command, log: filepath.Join(t.TempDir(), "log"), died: func(*process, error) {}}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.finish(syscall.SIGKILL, time.Minute) })
	return p
}

// TestStrikeMeetsSomebody: a fault that finds nobody alive says so.
func TestStrikeMeetsSomebody(t *testing.T) {
	p := sleeper(t, "cat")
	if err := p.strike(syscall.SIGSTOP); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := p.strike(syscall.SIGKILL); err != nil {
		t.Errorf("kill: %v", err)
	}
	for _, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP} {
		if err := p.strike(s); !errors.Is(err, errNobody) {
			t.Errorf("%v of a dead process: %v, want %v", s, err, errNobody)
		}
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := p.strike(syscall.SIGKILL); err != nil {
		t.Errorf("kill again: %v", err)
	}
	never := &process{name: "never"}
	if err := never.strike(syscall.SIGKILL); !errors.Is(err, errNobody) {
		t.Errorf("kill of what was never started: %v, want %v", err, errNobody)
	}
}

// TestFaultOfNobody: the run goes on, the plan has shown nothing, and what did
// not happen is not counted.
func TestFaultOfNobody(t *testing.T) {
	p := sleeper(t, "cat")
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	r := &run{site: &site{stages: []*process{p}, engine: p}, result: new(Result), cfg: Config{Say: t.Logf}}
	if err := r.suffer(t.Context(), time.Now(), Fault{Kind: Kill, Target: "sleeper"}); err != nil {
		t.Error(err)
	}
	if v := r.result.Violations; len(v) != 1 || !strings.Contains(v[0].String(), "met nobody alive") {
		t.Errorf("found %v, want that the fault met nobody", v)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := r.suffer(t.Context(), time.Now(), Fault{Kind: Pause, Target: "sleeper"}); err != nil {
		t.Error(err)
	}
	if all := r.result.Faults; len(all) != 1 || all[0].Kind != Pause {
		t.Errorf("happened are %v, want the one that met somebody", all)
	}
}

// TestEndWakes: who is stopped by a signal hears the one that asks it to end.
func TestEndWakes(t *testing.T) {
	p := sleeper(t, "cat")
	if err := p.strike(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := p.end(syscall.SIGTERM, time.Minute)
	if err == nil || p.cmd.ProcessState.String() != "signal: terminated" {
		t.Errorf("it ended as %v (%v), want by SIGTERM", p.cmd.ProcessState, err)
	}
}

// TestReplaceWithoutPostgres: who is started while Postgres is down still knows
// its address.
func TestReplaceWithoutPostgres(t *testing.T) {
	old := sleeper(t, "cat")
	old.name = "gate-2"
	const dsn = "postgres://somewhere"
	s := &site{kafka: new(cluster.Cluster), postgres: new(postgres), dsn: dsn, stages: []*process{old}}
	if next, _ := s.replace(old); !slices.Contains(next.command, dsn) {
		t.Errorf("the replacement runs as %q, want it to have the address %s", next.command, dsn)
	}
}
