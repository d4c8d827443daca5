package hop

import (
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"

	"waybill/schemas"
)

// column is one column of a table: how its values are taken out of the rows, in
// the two forms that are sent. Its buffers are used again, so a column serves
// one insert at a time.
type column[R any] struct {
	name, kind string
	// encode appends the values in ClickHouse's Native format.
	encode func(*proto.Buffer, [][]R)
	// fill hands them to the driver, whose own protocol has more to it.
	fill func(driver.BatchColumn, [][]R) error
}

// col is a column whose kind the driver takes as a []V.
func col[R, V any](name, kind string, get func(*R) V, encode func(*proto.Buffer, [][]R)) column[R] {
	var buf []V
	return column[R]{name: name, kind: kind, encode: encode, fill: func(c driver.BatchColumn, cuts [][]R) error {
		buf = buf[:0]
		for _, rows := range cuts {
			for i := range rows {
				buf = append(buf, get(&rows[i]))
			}
		}
		err := c.Append(buf)
		clear(buf)
		return err
	}}
}

// each is a column that puts one value after the other.
func each[R, V any](name, kind string, get func(*R) V, put func(*proto.Buffer, *R)) column[R] {
	return col(name, kind, get, func(b *proto.Buffer, cuts [][]R) {
		for _, rows := range cuts {
			for i := range rows {
				put(b, &rows[i])
			}
		}
	})
}

func text[R any](name string, get func(*R) string) column[R] {
	return each(name, "String", get, func(b *proto.Buffer, r *R) { b.PutString(get(r)) })
}

// id is sent as two little-endian halves, the first one first.
func id[R any](name string, get func(*R) schemas.ID) column[R] {
	return each(name, "UUID", func(r *R) uuid.UUID { return uuid.UUID(get(r)) }, func(b *proto.Buffer, r *R) {
		v := get(r)
		b.Buf = append(b.Buf, v[7], v[6], v[5], v[4], v[3], v[2], v[1], v[0], v[15], v[14], v[13], v[12], v[11], v[10], v[9], v[8])
	})
}

func moment[R any](name string, get func(*R) int64) column[R] {
	return each(name, "DateTime64(6, 'UTC')", func(r *R) time.Time { return time.UnixMicro(get(r)) },
		func(b *proto.Buffer, r *R) { b.PutInt64(get(r)) })
}

func u64[R any](name string, get func(*R) uint64) column[R] {
	return each(name, "UInt64", get, func(b *proto.Buffer, r *R) { b.PutUInt64(get(r)) })
}

func u32[R any](name string, get func(*R) uint32) column[R] {
	return each(name, "UInt32", get, func(b *proto.Buffer, r *R) { b.PutUInt32(get(r)) })
}

func u16[R any](name string, get func(*R) uint16) column[R] {
	return each(name, "UInt16", get, func(b *proto.Buffer, r *R) { b.PutUInt16(get(r)) })
}

func u8[R any](name string, get func(*R) uint8) column[R] {
	return each(name, "UInt8", get, func(b *proto.Buffer, r *R) { b.PutUInt8(get(r)) })
}

// word is a column of few different values, sent as a dictionary and a key for
// each row: neither side then handles each value as a string.
func word[R any](name string, get func(*R) string) column[R] {
	d := dictionary{keys: make(map[string]uint32)}
	return col(name, "LowCardinality(String)", get, func(b *proto.Buffer, cuts [][]R) {
		for _, rows := range cuts {
			for i := range rows {
				d.add(get(&rows[i]))
			}
		}
		d.encode(b)
	})
}

// table inserts rows of one kind.
type table[R any] struct {
	name    string
	query   string
	columns []column[R]
}

func newTable[R any](name string, columns ...column[R]) *table[R] {
	t := &table[R]{name: name, columns: columns}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	t.query = fmt.Sprintf("INSERT INTO %s (%s)", name, strings.Join(names, ", "))
	return t
}

// encode makes one block of the rows, in the Native format as of revision 0.
func (t *table[R]) encode(b *proto.Buffer, cuts [][]R) {
	b.PutUVarInt(uint64(len(t.columns)))
	b.PutUVarInt(uint64(count(cuts)))
	for _, c := range t.columns {
		b.PutString(c.name)
		b.PutString(c.kind)
		c.encode(b, cuts)
	}
}

// fill puts the rows into the driver's batch.
func (t *table[R]) fill(batch driver.Batch, cuts [][]R) error {
	for i, c := range t.columns {
		if err := c.fill(batch.Column(i), cuts); err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	return nil
}

func count[R any](cuts [][]R) (n int) {
	for _, rows := range cuts {
		n += len(rows)
	}
	return n
}
