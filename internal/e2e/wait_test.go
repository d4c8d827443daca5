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

// poll asks until there is no error.
func poll(t testing.TB, what string, ask func() error) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	if err := bell.Poll(ctx, what, ask); err != nil {
		t.Fatal(err)
	}
}
