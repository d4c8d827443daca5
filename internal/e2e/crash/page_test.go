package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"waybill/internal/e2e/ledger"
	"waybill/schemas"
)

// TestPageKeepsOtherSeeds: a run takes the place of its own row alone.
func TestPageKeepsOtherSeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.md")
	for _, seed := range []uint64{12, 4, 12} {
		r := &Result{
			Seed: seed, Began: time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC), Settling: 1500 * time.Millisecond, accepted: 20_000,
			did:    options{canceled: 1},
			Faults: []Fault{{Kind: Kill, Target: "gate-1"}, {Kind: Kill, Target: leader}, {Kind: Replace, Target: "gate-2"}},
			outcomes: ledger.Tally{Ends: map[schemas.Class]map[schemas.Reason]int{
				schemas.Class_CLASS_DELIVERED: {schemas.Reason_REASON_ACKED: 19_000},
				schemas.Class_CLASS_WITHDRAWN: {schemas.Reason_REASON_DUPLICATE: 7, schemas.Reason_REASON_CANCELED: 1},
			}},
		}
		if err := WritePage(path, r); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(b)) {
		if seedOf(line) != 0 {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	const rest = " | 2026-11-25 | 1 +b | 1 r | 0 | 0 | 0 | 0 | 20,000 | 7 | 19,000 | 0 | 0 | 0 | 1.5 s | 0 | 0, 1, 0, 0 |"
	if d := cmp.Diff([]string{"| 4" + rest, "| 12" + rest}, rows); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if !strings.Contains(string(b), `SEEDS="4 12"`) {
		t.Error("the page does not name its command")
	}
}

// TestPageKeepsTheUsualRun: a longer one of the same seed has a row of its own.
func TestPageKeepsTheUsualRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.md")
	for _, accepted := range []int64{20_000, 100_000, 20_000} {
		if err := WritePage(path, &Result{Seed: 7, accepted: accepted}); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := readRows(path)
	if err != nil || len(rows) != 2 || longer(rows[0]) == longer(rows[1]) {
		t.Errorf("rows %q, %v; want one of each", rows, err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), `SEEDS="7"`) {
		t.Errorf("the page names its seed twice: %v", err)
	}
}
