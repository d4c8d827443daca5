package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLockDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	lock, err := LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LockDir(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("second opener: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	lock, err = LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestLockDirWaitsForRemains holds the lock as a child of a dead owner would.
func TestLockDirWaitsForRemains(t *testing.T) {
	for _, owner := range []string{"", "0", "nonsense", strconv.Itoa(1 << 30)} {
		dir := t.TempDir()
		file, err := os.Create(filepath.Join(dir, lockName))
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		if err := writeOwner(file, owner); err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		go func() {
			lock, err := LockDir(dir)
			if err == nil {
				err = lock.Release()
			}
			got <- err
		}()
		_ = file.Close()
		if err := <-got; err != nil {
			t.Errorf("owner %q: %v", owner, err)
		}
	}
}

func TestMarker(t *testing.T) {
	dir := t.TempDir()
	m := marker{"kafka", "1"}
	for range 2 { // a new directory, then one of its own
		if err := m.claim(dir, "advice"); err != nil {
			t.Fatal(err)
		}
	}
	if err := (marker{"kafka", "2"}).claim(dir, "advice"); !errors.Is(err, ErrVersion) {
		t.Errorf("newer version: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, markerName), []byte("garbage"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.claim(dir, "advice"); err == nil {
		t.Error("garbage was accepted")
	}
}

func TestRelease(t *testing.T) {
	for version, want := range map[string]string{"26.7.3": "26.7", "26.7.3-stable.1": "26.7", "26": "26", "": ""} {
		if got := release(version); got != want {
			t.Errorf("release(%q) = %q, want %q", version, got, want)
		}
	}
}

func TestTailKeepsLastWords(t *testing.T) {
	var seen []string
	tl := &tail{line: func(line string) { seen = append(seen, line) }}
	if got := tl.lastWords(); got != "it said nothing" {
		t.Errorf("silence: %q", got)
	}
	for i := range 20 {
		_, _ = tl.Write([]byte(strconv.Itoa(i) + "\nhal"))
		_, _ = tl.Write([]byte("f\n"))
	}
	_, _ = tl.Write([]byte("end"))
	if len(seen) != 40 || seen[39] != "half" {
		t.Errorf("%d lines, last %q", len(seen), seen[len(seen)-1])
	}
	if got, want := tl.lastWords(), "16\nhalf\n17\nhalf\n18\nhalf\n19\nhalf\nend"; got != want {
		t.Errorf("last words %q, want %q", got, want)
	}
}
