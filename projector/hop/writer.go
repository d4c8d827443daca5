package hop

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// tryTimeout of an insert. One that ends by it may still have worked: the token
// makes the next try harmless.
const tryTimeout = 30 * time.Second

// inserters is how many flushes are inserted at once: that of the rounds, and one
// that is repeated. Others wait.
const inserters = 2

// writer inserts one flush at a time; it owns the column buffers.
type writer struct {
	to          target
	hops        *table[hopRow]
	connections *table[connectionRow]
	pushes      *table[pushRow]
	buf         proto.Buffer
}

func newWriter(to target) *writer {
	return &writer{to: to, hops: hopsTable(), connections: connectionsTable(), pushes: pushesTable()}
}

// try inserts the rows of a flush, all or an error. A table that has them
// already ignores them. Whoever sees a hop sees the connects and disconnects
// before it: they go first.
func (w *writer) try(ctx context.Context, name token, f *flush) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	token := hex.EncodeToString(name[:])
	if err := insert(ctx, w, w.connections, token, f.connections); err != nil {
		return err
	}
	if err := insert(ctx, w, w.hops, token, f.hops); err != nil {
		return err
	}
	return insert(ctx, w, w.pushes, token, f.pushes)
}

// insert sends all rows as one block under the token. ClickHouse ignores a
// token that it has seen, in the table and in the tables of its views.
func insert[R any](ctx context.Context, w *writer, t *table[R], token string, cuts [][]R) error {
	if count(cuts) == 0 {
		return nil
	}
	settings := clickhouse.Settings{
		"insert_deduplicate":                                 "1",
		"insert_deduplication_token":                         token,
		"deduplicate_blocks_in_dependent_materialized_views": "1",
		"async_insert":                                       "0",
		// A repeated insert finds its parts by the token and their number: it must
		// not be cut otherwise than the first time.
		"max_insert_threads": "1",
	}
	var err error
	if w.to.http != nil {
		w.buf.Reset()
		t.encode(&w.buf, cuts)
		err = w.to.http.insert(ctx, t.query, settings, w.buf.Buf)
	} else {
		err = fillAndSend(ctx, w.to.native, t, settings, cuts)
	}
	if err != nil {
		return fmt.Errorf("insert into %s: %w", t.name, err)
	}
	return nil
}
