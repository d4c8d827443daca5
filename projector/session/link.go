package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/snapshot"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 3 * time.Second
	// tryFor is the longest that one transaction may take before the connection
	// counts as dead: a load of a large partition takes seconds.
	tryFor = time.Minute
	// lastFor is what is left to a transaction when the partition is taken away:
	// less than a rebalance waits.
	lastFor = 2 * time.Second
)

// insist tries until the work is done, ctx ends, or the error is none that goes
// away by itself. Work that has begun when ctx ends has a little time left.
func (p *Projector) insist(ctx context.Context, part *eventlog.Partition, what string, work func(context.Context) error) error {
	for tries := 0; ; tries++ {
		err := try(ctx, work)
		if err == nil {
			p.link.works()
			return nil
		}
		if !away(err) || ctx.Err() != nil {
			return err
		}
		p.link.broken(what, err)
		part.Alive()
		pause := min(retryFirst<<min(tries, 10), retryMost)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
	}
}

// try lets the work go on when ctx ends, for a short while: a commit that is
// under way had better be waited for.
func try(ctx context.Context, work func(context.Context) error) error {
	inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryFor)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(lastFor, cancel)
		context.AfterFunc(inner, func() { late.Stop() })
	})
	defer stop()
	return work(inner)
}

// away says that Postgres cannot be asked, or cannot answer now: the same work
// may be done later. Anything else would fail again.
func away(err error) bool {
	if errors.Is(err, snapshot.ErrFenced) || errors.Is(err, snapshot.ErrBroken) {
		return false
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || len(pg.Code) != 5 {
		return true
	}
	switch pg.Code[:2] {
	case "08", // connection
		"28", // not let in
		"3D", // no such database
		"40", // rolled back by the server
		"53", // out of disk, memory or connections
		"55", // locked
		"57", // shutting down, or canceled
		"58": // system error
		return true
	}
	return pg.Code == "42P01" || pg.Code == "3F000" // no tables yet: migrate has not run
}

// link says once that Postgres is away, and once that it is back. All
// partitions share it.
type link struct {
	log  *slog.Logger
	host string

	mu    sync.Mutex
	since time.Time // zero while it works
}

// newLink keeps what an operator should see of the address: no password.
func newLink(log *slog.Logger, cfg *pgx.ConnConfig) *link {
	return &link{log: log, host: fmt.Sprintf("%s:%d/%s", cfg.Host, cfg.Port, cfg.Database)}
}

// broken notes a failure and says the first one.
func (l *link) broken(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.since.IsZero() {
		return
	}
	l.since = time.Now()
	hint := ""
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P01" {
		hint = "run `waybill migrate`"
	}
	l.log.Warn("waiting for postgres: nothing is read meanwhile", "for", what, "address", l.host, "hint", hint, "err", err)
}

// works notes a success and says the first one after failures.
func (l *link) works() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		return
	}
	l.log.Info("postgres is back", "address", l.host, "away_seconds", time.Since(l.since).Seconds())
	l.since = time.Time{}
}
