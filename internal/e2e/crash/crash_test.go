package crash

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/program"
)

// victimVariable makes the test binary a run that waits to be killed, in the
// directory that it names; binaryVariable names waybill.
const (
	victimVariable = "WAYBILL_CRASH_VICTIM"
	binaryVariable = "WAYBILL_CRASH_BINARY"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimVariable); dir != "" {
		victim(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// victim says a line when everything runs.
func victim(dir string) {
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	_, err := Run(context.Background(), Config{Seed: 1, Dir: dir, Binary: os.Getenv(binaryVariable), Port: 29100, Say: say})
	say("the run has ended: %v", err)
}

// TestCrash runs the seeds of WAYBILL_CRASH_SEEDS, one after the other.
// `make crash` sets them; without any it is left out, since a seed takes two
// minutes of the whole machine.
func TestCrash(t *testing.T) {
	seeds := strings.Fields(os.Getenv("WAYBILL_CRASH_SEEDS"))
	if len(seeds) == 0 {
		t.Skip("WAYBILL_CRASH_SEEDS names no seed")
	}
	pushes, err := strconv.Atoi(cmp.Or(os.Getenv("WAYBILL_CRASH_PUSHES"), "0"))
	if err != nil || pushes < 0 {
		t.Fatalf("WAYBILL_CRASH_PUSHES is %q: a whole number is allowed", os.Getenv("WAYBILL_CRASH_PUSHES"))
	}
	binary := build(t)
	for _, text := range seeds {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("WAYBILL_CRASH_SEEDS has %q: whole numbers are allowed", text)
		}
		t.Run(text, func(t *testing.T) { crash(t, Config{Seed: seed, Binary: binary, Port: 29000, Pushes: pushes}) })
	}
}

// crash makes one run and adds it to the page that WAYBILL_CRASH_PAGE names.
// Its logs are kept if something was wrong, or if WAYBILL_CRASH_DIR names a
// folder for them.
func crash(t *testing.T, cfg Config) {
	kept := os.Getenv("WAYBILL_CRASH_DIR")
	var err error
	if cfg.Dir, err = os.MkdirTemp(kept, fmt.Sprintf("waybill-crash-%d-", cfg.Seed)); err != nil {
		t.Fatal(err)
	}
	cfg.Say = t.Logf
	result, err := Run(t.Context(), cfg)
	if err != nil {
		t.Error(err)
	}
	t.Log("\n" + result.Table())
	if page := os.Getenv("WAYBILL_CRASH_PAGE"); page != "" {
		if err := WritePage(page, result); err != nil {
			t.Error(err)
		}
	}
	for _, v := range result.some(5) {
		t.Error(v)
	}
	if t.Failed() {
		t.Logf("logs: %s; transcript: %s", filepath.Join(cfg.Dir, "logs"), result.Transcript)
	} else if kept == "" {
		if err := os.RemoveAll(cfg.Dir); err != nil {
			t.Error(err)
		}
	}
}

// build the binary.
func build(t *testing.T) string {
	t.Helper()
	binary, err := program.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestKilledRunLeavesNothing kills a run with -9 in the middle of its work.
func TestKilledRunLeavesNothing(t *testing.T) {
	if os.Getenv("WAYBILL_CRASH_SEEDS") == "" {
		t.Skip("it takes half a minute; `make crash` runs it")
	}
	binary := build(t)
	cfg := Config{Dir: t.TempDir(), Binary: binary}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+cfg.Dir, binaryVariable+"="+binary)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "everything runs") {
		t.Errorf("the run said %q: %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := bell.Poll(ctx, "every process to end", func() error { return checkLeftovers(cfg) }); err != nil {
		t.Error(err)
	}
}
