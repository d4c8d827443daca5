package hop

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// tryTimeout of an insert. One that ends by it may still have worked: the token
// makes the next try harmless.
const tryTimeout = 30 * time.Second

// inserters is how many cuts are inserted at once; the other partitions wait.
// More would not be faster, the engine's work is on the CPU.
const inserters = 2

// open connects when it is first used. The DSN is clickhouse-go's:
// http://user:password@host:port/database, or clickhouse:// for the native
// protocol.
func open(dsn string) (driver.Conn, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	options.MaxOpenConns, options.MaxIdleConns = inserters, inserters
	db, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	return db, nil
}

// writer inserts one cut at a time; it owns the column buffers.
type writer struct {
	db          driver.Conn
	hops        *table[hopRow]
	connections *table[connectionRow]
	pushes      *table[pushRow]
}

func newWriter(db driver.Conn) *writer {
	return &writer{db: db, hops: hopsTable(), connections: connectionsTable(), pushes: pushesTable()}
}

// try inserts the rows of a cut, all or an error. A table that has them already
// ignores them. Whoever sees a hop sees the connects and disconnects before it:
// they go first.
func (w *writer) try(ctx context.Context, token string, r *rows) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if err := w.connections.insert(ctx, w.db, token, r.connections); err != nil {
		return err
	}
	if err := w.hops.insert(ctx, w.db, token, r.hops); err != nil {
		return err
	}
	return w.pushes.insert(ctx, w.db, token, r.pushes)
}
