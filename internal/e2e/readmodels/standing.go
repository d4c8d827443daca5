package readmodels

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Standing is how much Postgres has of what outlives a moment.
type Standing struct {
	Pushes   int // pending
	Sessions int // live
	Routes   int
}

// Stands counts the rows.
func Stands(ctx context.Context, dsn string) (s Standing, err error) {
	c, err := pgx.Connect(ctx, dsn)
	if err == nil {
		const count = `SELECT (SELECT count(*) FROM pending_pushes), (SELECT count(*) FROM sessions WHERE live), (SELECT count(*) FROM routes)`
		err = errors.Join(c.QueryRow(ctx, count).Scan(&s.Pushes, &s.Sessions, &s.Routes), c.Close(ctx))
	}
	if err != nil {
		return s, fmt.Errorf("count the rows of the read model: %w", err)
	}
	return s, nil
}
