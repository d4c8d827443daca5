package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"waybill/internal/engine"
)

// TestUsage: mistakes end at once, with one sentence that says what is allowed.
func TestUsage(t *testing.T) {
	for _, c := range []struct{ env, args, want string }{
		{"", "", `expected one of "dev"`},
		{"", "gaet", `unexpected argument gaet, did you mean "gate"?`},
		{"", "ingest --lissten=:1", `unknown flag --lissten, did you mean "--listen"?`},
		{"WAYBILL_KAKFA=a:1", "ingest", "unknown variable WAYBILL_KAKFA, did you mean WAYBILL_KAFKA?"},
		{"WAYBILL_NUMBER=one", "ingest", `WAYBILL_NUMBER="one"`},
		{"", "gate", "--cluster-key"},
		{"", "gate --number=0 --cluster-key=" + key, "--number is 0; allowed: 1 or more"},
		{"", "gate --lease=10 --cluster-key=" + key, "missing unit in duration"},
		{"", "gate --lease=0s --cluster-key=" + key, "--lease is 0s; allowed: more than 0"},
		{"", "gate --drain-rate=0 --cluster-key=" + key, "--drain-rate is 0; allowed: more than 0"},
		{"", "gate --drain-time=-1s --cluster-key=" + key, "--drain-time is -1s; allowed: 0 or more"},
		{"", "ingest --kafka=localhost", `--kafka is "localhost"; allowed: host:port`},
		{"", "ingest --kafka=", "--kafka is empty; allowed: one broker or more"},
		{"", "ingest --listen=7480 --metrics=x", `--metrics is "x"; allowed: host:port, such as 127.0.0.1:7400; --listen is "7480"; allowed`},
		{"", "delivery --session=3s", "--session is 3s; allowed: 6s to 30m"},
		{"", "delivery --window=0", "--window is 0; allowed: more than 0"},
	} {
		p := waybill(t, strings.Fields(c.env), strings.Fields(c.args)...)
		if said := p.ends(exitUsage); !strings.Contains(said, c.want) || strings.Count(said, "\n") > 0 {
			t.Errorf("%s waybill %s says %q, want one line with %q", c.env, c.args, said, c.want)
		}
	}
}

// TestHelpNamesExitCodes in the general help and in that of a stage.
func TestHelpNamesExitCodes(t *testing.T) {
	for _, args := range []string{"--help", "gate --help"} {
		said := strings.Join(strings.Fields(waybill(t, nil, strings.Fields(args)...).ends(exitDrained)), " ")
		if !strings.Contains(said, "Exit codes: 0 drained") || !strings.Contains(said, "do not start it again") {
			t.Errorf("waybill %s says no exit codes:\n%s", args, said)
		}
	}
}

// TestStuck: a partition that nobody serves ends the process, so that another
// one gets it.
func TestStuck(t *testing.T) {
	waybill(t, []string{mainVariable + "=stuck"}, "delivery").ends(exitStuck)
}

// TestCrash: a panic has a code of its own, so that a supervisor that leaves
// wrong usage alone starts the stage again.
func TestCrash(t *testing.T) {
	waybill(t, []string{mainVariable + "=crash"}, "delivery").ends(exitCrashed)
}

// TestWhileWaiting: a stage that still waits for its engines ends at once and
// well.
func TestWhileWaiting(t *testing.T) {
	p := waybill(t, nil, "ingest", flag("kafka", freeAddress(t)), "--metrics=127.0.0.1:0", "--listen=127.0.0.1:0")
	p.says("waiting")
	p.drains()
}

// TestPortTaken says whose port it is, and what to do.
func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := waybill(t, nil, "console", flag("metrics", l.Addr()))
	if said := p.ends(exitFailed); !strings.Contains(said, "the private port "+l.Addr().String()+" is taken") {
		t.Errorf("it says %q", said)
	}
}

// TestGateNumbers: a number is one gate's. On one host the second gate is
// refused; where that is not seen, the older one ends and says that it must not
// be started again.
func TestGateNumbers(t *testing.T) {
	w := newWorld(t)
	w.up()
	first := w.stage("gate", 1)
	first.says("msg=ready")
	if said := w.stage("gate", 2, flag("listen", first.at("gate ready"))).ends(exitFailed); !strings.Contains(said, "allowed: a --listen address of its own") {
		t.Errorf("a gate whose address is taken says %q", said)
	}
	second := w.stage("gate", 1)
	if said := second.ends(exitFailed); !strings.Contains(said, "gate 1 of "+w.kafka+" runs on this host already") {
		t.Errorf("the second gate says %q", said)
	}
	third := w.stage("gate", 1, "--take-over")
	if said := first.ends(exitReplaced); !strings.Contains(said, "another process has taken over this gate's number") {
		t.Errorf("the first gate says %q", said)
	}
	third.says("msg=ready")
	if said := w.stage("gate", 9).ends(exitFailed); !strings.Contains(said, "allowed: 1 to 3") {
		t.Errorf("a gate without a partition says %q", said)
	}
	third.drains()
}

// TestSecondSignal ends a drain that waits for a log that is away.
func TestSecondSignal(t *testing.T) {
	w := newWorld(t)
	w.up()
	gate := w.stage("gate", 1)
	gate.says("msg=ready")
	w.broker.signal(syscall.SIGSTOP)
	gate.signal(syscall.SIGTERM)
	gate.says("gate stopping")
	gate.signal(syscall.SIGTERM)
	gate.ends(exitForced)
	w.broker.signal(syscall.SIGCONT)
}

// TestNoChildSurvives the kill of its parent: not those of dev, nor of an engine
// alone; and an engine ends when its standard input does.
func TestNoChildSurvives(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	free := "127.0.0.1:0"
	dev := waybill(t, nil, "dev", flag("dir", dir+"/dev"), flag("gates", free), flag("ingest", free), flag("console", free), flag("metrics", free), flag("broker", free))
	postgres := waybill(t, nil, "engine", "postgres", flag("dir", dir+"/postgres"))
	dev.says("Waybill is up")
	postgres.says("postgres://")
	for p, least := range map[*proc]int{dev: 2, postgres: 1} {
		children := childrenOf(t, p.cmd.Process.Pid)
		if len(children) < least {
			t.Errorf("%s has the children %v, want %d", p.name, children, least)
		}
		p.signal(syscall.SIGKILL)
		p.ends(-1)
		eventually(t, "no child is left", func() bool {
			for _, child := range children {
				if isProcess(child) {
					return false
				}
			}
			return true
		})
	}
	kafka := waybill(t, nil, "engine", "kafka", flag("dir", dir+"/kafka"))
	kafka.says("127.0.0.1:")
	_ = kafka.stdin.Close()
	kafka.ends(exitDrained)
	if lock, err := engine.LockDir(dir + "/kafka"); err != nil {
		t.Error(err)
	} else {
		_ = lock.Release()
	}
}

// childrenOf a process, and their children.
func childrenOf(t *testing.T, pid int) (all []int) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(child)
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, n), childrenOf(t, n)...)
		}
	}
	return all
}

// isProcess is false for one that has ended and only waits to be reaped.
func isProcess(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// TestDrainWithoutEngines: whatever is away, a stage that is told to stop ends
// within the 30 s that a supervisor gives it, and ends well.
func TestDrainWithoutEngines(t *testing.T) {
	w := newWorld(t)
	w.up()
	var all []*proc
	for _, name := range []string{"gate", "ingest", "delivery", "projector", "console"} {
		all = append(all, w.stage(name, 1))
	}
	for _, p := range all {
		p.says("msg=ready")
	}
	handled := w.device("anna", all[0])
	w.push(all[1], "anna", "hello")
	w.gets(handled, `"hello"`)
	w.broker.signal(syscall.SIGSTOP)
	w.postgres.close()
	w.clickhouse.close()
	began := time.Now()
	for _, p := range all {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range all {
		p.ends(exitDrained)
		t.Logf("%s ended after %s", p.name, p.over.Sub(began).Round(time.Millisecond))
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the drain took %s", took)
	}
	w.broker.signal(syscall.SIGCONT)
}
