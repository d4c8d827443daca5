package e2e

import (
	"sync"
	"testing"
	"time"
)

// patience bounds every wait; none takes as long when all is well.
const patience = 60 * time.Second

// bell wakes those who wait for a change of what its owner guards.
type bell struct {
	mu   sync.Mutex
	rung chan struct{} // closed by the next ring; nil = nobody waits
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

// await waits until cond holds; it looks again at each ring.
func (b *bell) await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		rung := b.next()
		if cond() {
			return
		}
		select {
		case <-rung:
		case <-late.C:
			t.Fatalf("waited %v for %s", patience, what)
		case <-t.Context().Done():
			t.Fatalf("the test ended before %s", what)
		}
	}
}

// poll asks until there is no error: for what nobody rings a bell for, such as
// the answers of HTTP.
func poll(t testing.TB, what string, ask func() error) {
	t.Helper()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-every.C:
		case <-late.C:
			t.Fatalf("waited %v for %s: %v", patience, what, err)
		}
	}
}
