package e2e

import (
	"testing"

	"waybill/internal/e2e/ledger"
)

// books are the ledger of waybill.events, kept while the log grows.
type books struct{ *ledger.Books }

// await waits until the ledger says so.
func (b books) await(t testing.TB, what string, cond func(*ledger.Ledger) bool) {
	t.Helper()
	ctx, cancel := bounded(t)
	defer cancel()
	if err := b.AwaitLedger(ctx, cond); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}
