// Package bell is how tests wait instead of sleeping. A Bell wakes those who wait
// for a change of something that its owner guards; Poll asks again and again, for
// what nobody rings a bell for: the rows of a database, the answers of HTTP.
package bell

import (
	"context"
	"fmt"
	"sync"
	"time"
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

// askAgain is the pause between two questions: short beside what is waited for,
// long beside what an answer costs.
const askAgain = 50 * time.Millisecond

// Poll asks until there is no error. Its own error has the last one, and the
// context's cause; what a question says that the context's end broke off counts
// only if there was none before.
func Poll(ctx context.Context, what string, ask func() error) error {
	every := time.NewTicker(askAgain)
	defer every.Stop()
	var last error
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, last, context.Cause(ctx))
		}
	}
}
