package hop

import (
	"bytes"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	driver "github.com/ClickHouse/clickhouse-go/v2/lib/column"
	gocmp "github.com/google/go-cmp/cmp"

	"waybill/schemas"
)

// TestBothFormsSayTheSame: a column comes to the same values as a block that is
// made here, over HTTP, and as the driver makes it, over the native protocol.
func TestBothFormsSayTheSame(t *testing.T) {
	var first, second rows
	for _, test := range append(append(pushTests(), gateTests()...), connectionTests()...) {
		first.add(test.event, testPlace)
	}
	for _, e := range wayEvents() {
		second.add(e, testPlace)
	}
	second.settle()
	id := schemas.ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for _, kind := range []schemas.Kind{schemas.Kind_KIND_PUSHED, schemas.Kind_KIND_CONNECTED} {
		second.add(event(kind, func(e *schemas.Event) { e.TraceId, e.Node = id[:], "gate-3@h" }), testPlace)
	}
	var f flush
	f.add(&first)
	f.add(&second)
	checkForms(t, hopsTable(), f.hops)
	checkForms(t, connectionsTable(), f.connections)
	checkForms(t, pushesTable(), f.pushes)
}

func checkForms[R any](t *testing.T, table *table[R], cuts [][]R) {
	t.Helper()
	for _, c := range table.columns {
		var own, theirs proto.Buffer
		c.encode(&own, cuts)
		filled := newDriverColumn(t, c.kind)
		if err := c.fill(filled, cuts); err != nil {
			t.Fatalf("%s.%s: %v", table.name, c.name, err)
		}
		filled.encode(t, &theirs)
		got, want := valuesOf(t, c.kind, &own, count(cuts)), valuesOf(t, c.kind, &theirs, count(cuts))
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s.%s (-by the driver +made here):\n%s", table.name, c.name, diff)
		}
	}
}

// driverColumn is a column of the driver's outside of a batch.
type driverColumn struct{ driver.Interface }

func newDriverColumn(t *testing.T, kind string) driverColumn {
	t.Helper()
	c, err := driver.Type(kind).Column("", new(driver.ServerContext))
	if err != nil {
		t.Fatal(err)
	}
	return driverColumn{c}
}

func (c driverColumn) Append(values any) error {
	_, err := c.Interface.Append(values)
	return err
}

func (c driverColumn) encode(t *testing.T, b *proto.Buffer) {
	t.Helper()
	if prefixed, ok := c.Interface.(driver.CustomSerialization); ok {
		if err := prefixed.WriteStatePrefix(b); err != nil {
			t.Fatal(err)
		}
	}
	c.Encode(b)
}

// valuesOf reads an encoded column of so many rows, to its last byte.
func valuesOf(t *testing.T, kind string, b *proto.Buffer, rows int) []any {
	t.Helper()
	c, r := newDriverColumn(t, kind), proto.NewReader(bytes.NewReader(b.Buf))
	if prefixed, ok := c.Interface.(driver.CustomSerialization); ok {
		if err := prefixed.ReadStatePrefix(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Decode(r, rows); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadByte(); err == nil {
		t.Errorf("bytes are left behind a column of %s", kind)
	}
	values := make([]any, c.Rows())
	for i := range values {
		values[i] = c.Row(i, false)
	}
	return values
}
