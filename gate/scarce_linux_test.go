package gate

import (
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestCarriersWithoutDescriptors: when there are none left, accepting waits and
// goes on by itself; connections that are there notice nothing.
func TestCarriersWithoutDescriptors(t *testing.T) {
	carry(t, func(t *testing.T, g *carried) {
		there := dial(t, g.address)
		there.login("ann", 0)
		before := g.metrics.scarce.Load()
		release := exhaust(t)
		late := dial(t, g.address) // takes the last one
		for began := time.Now(); g.metrics.scarce.Load() == before; runtime.Gosched() {
			if time.Since(began) > patience {
				t.Fatal("the gate does not run out of descriptors")
			}
		}
		there.echo()
		release()
		late.login("bob", 0)
	})
}

// exhaust takes all descriptors but one.
func exhaust(t *testing.T) (release func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var held []*os.File
	released := false
	release = func() {
		if released {
			return
		}
		released = true
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Error(err)
		}
		for _, f := range held {
			f.Close()
		}
	}
	t.Cleanup(release)
	low := limit
	low.Cur = min(limit.Cur, 256)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		held = append(held, f)
	}
	last := len(held) - 1
	held[last].Close()
	held = held[:last]
	return release
}
