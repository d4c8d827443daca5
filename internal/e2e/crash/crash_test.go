package crash

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestCrash runs the seeds of WAYBILL_CRASH_SEEDS, one after the other.
// `make crash` sets them; without any it is left out, since a seed takes two
// minutes of the whole machine.
func TestCrash(t *testing.T) {
	seeds := strings.Fields(os.Getenv("WAYBILL_CRASH_SEEDS"))
	if len(seeds) == 0 {
		t.Skip("WAYBILL_CRASH_SEEDS names no seed")
	}
	root := root(t)
	binary := filepath.Join(t.TempDir(), "waybill")
	build := exec.Command("go", "build", "-o", binary, "./cmd/waybill")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, text := range seeds {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("WAYBILL_CRASH_SEEDS has %q: whole numbers are allowed", text)
		}
		t.Run(text, func(t *testing.T) { crash(t, Config{Seed: seed, Root: root, Binary: binary, Port: 29000}) })
	}
}

func crash(t *testing.T, cfg Config) {
	var err error
	if cfg.Dir, err = os.MkdirTemp(os.Getenv("WAYBILL_CRASH_DIR"), "waybill-crash-"); err != nil {
		t.Fatal(err)
	}
	cfg.Say = t.Logf
	result, err := Run(t.Context(), cfg)
	if err != nil {
		t.Error(err)
	}
	t.Log("\n" + result.Table())
	for n, v := range result.Violations {
		if n < 20 {
			t.Error(v)
		}
	}
	if t.Failed() {
		t.Logf("logs: %s; transcript: %s", filepath.Join(cfg.Dir, "logs"), result.Transcript)
	} else if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Error(err)
	}
}

// root of the repository.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
