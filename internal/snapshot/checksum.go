package snapshot

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Checksum is over all that the rows say, of all partitions: equal for equal
// folds, however they came to be stored. Of recent_pushes it takes what is
// known, not how it lies in rows.
func Checksum(ctx context.Context, db DB) (string, error) {
	var sum string
	err := read(ctx, db, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, sqlChecksum).Scan(&sum)
	})
	if err != nil {
		return "", fmt.Errorf("checksum of the read models: %w", err)
	}
	return sum, nil
}
