// Package bell wakes those who wait for a change of something that its owner
// guards: tests wait on it instead of sleeping.
package bell

import (
	"context"
	"sync"
)

// Bell is rung after each change. The zero value is ready.
type Bell struct {
	mu   sync.Mutex
	rung chan struct{} // closed by the next ring; nil = nobody waits
}

// Ring wakes everybody who waits.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

// Next is closed by the next ring.
func (b *Bell) Next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

// Await waits until cond holds; it looks again at each ring. Its error is the
// context's cause.
func (b *Bell) Await(ctx context.Context, cond func() bool) error {
	for {
		rung := b.Next()
		if cond() {
			return nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
