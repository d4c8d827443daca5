package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"waybill/internal/e2e/bell"
)

// patience bounds every wait; none takes as long when all is well.
const patience = 60 * time.Second

// bounded ends with the test, or when a wait has taken too long.
func bounded(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(t.Context(), patience, fmt.Errorf("waited %v", patience))
}

// awaitRing waits until cond holds; it looks again at each ring of the bell.
func awaitRing(t testing.TB, b *bell.Bell, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	if err := b.Await(ctx, cond); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
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
