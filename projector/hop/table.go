package hop

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"waybill/schemas"
)

// column is one column of a table: how its values are taken out of the rows.
// Its buffer is used again, so a column serves one insert at a time.
type column[R any] struct {
	name, wire string
	fill       func(driver.BatchColumn, []R) error
}

// col is a column whose wire type is what the driver sends over HTTP. Words go
// as String there, the engine makes LowCardinality of them: the driver's own
// dictionary costs an allocation for each value.
func col[R, V any](name, wire string, get func(*R) V) column[R] {
	var buf []V
	return column[R]{name: name, wire: wire, fill: func(c driver.BatchColumn, rows []R) error {
		buf = buf[:0]
		for i := range rows {
			buf = append(buf, get(&rows[i]))
		}
		err := c.Append(buf)
		clear(buf)
		return err
	}}
}

func text[R any](name string, get func(*R) string) column[R] { return col(name, "String", get) }

func id[R any](name string, get func(*R) schemas.ID) column[R] {
	return col(name, "UUID", func(r *R) uuid.UUID { return uuid.UUID(get(r)) })
}

func moment[R any](name string, get func(*R) int64) column[R] {
	return col(name, "DateTime64(6, 'UTC')", func(r *R) time.Time { return time.UnixMicro(get(r)) })
}

func u64[R any](name string, get func(*R) uint64) column[R] { return col(name, "UInt64", get) }
func u32[R any](name string, get func(*R) uint32) column[R] { return col(name, "UInt32", get) }
func u16[R any](name string, get func(*R) uint16) column[R] { return col(name, "UInt16", get) }
func u8[R any](name string, get func(*R) uint8) column[R]   { return col(name, "UInt8", get) }

// table inserts rows of one kind.
type table[R any] struct {
	name    string
	query   string
	columns []column[R]
	types   []clickhouse.ColumnNameAndType
}

func newTable[R any](name string, columns ...column[R]) *table[R] {
	t := &table[R]{name: name, columns: columns}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
		t.types = append(t.types, clickhouse.ColumnNameAndType{Name: c.name, Type: c.wire})
	}
	t.query = fmt.Sprintf("INSERT INTO %s (%s)", name, strings.Join(names, ", "))
	return t
}

// insert sends all rows as one block under the token. ClickHouse ignores a
// token that it has seen, in the table and in the tables of its views.
func (t *table[R]) insert(ctx context.Context, db driver.Conn, token string, rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	ctx = clickhouse.Context(ctx, clickhouse.WithColumnNamesAndTypes(t.types), clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplicate":                                 1,
		"insert_deduplication_token":                         token,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
		"async_insert":                                       0,
	}))
	batch, err := db.PrepareBatch(ctx, t.query)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", t.name, err)
	}
	for i, c := range t.columns {
		if err := c.fill(batch.Column(i), rows); err != nil {
			_ = batch.Abort()
			return fmt.Errorf("insert into %s: column %s: %w", t.name, c.name, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert into %s: %w", t.name, err)
	}
	return nil
}
