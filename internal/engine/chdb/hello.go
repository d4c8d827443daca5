package chdb

import (
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

const (
	displayName = "waybill embedded"
	// helloQuery is what clickhouse-go asks first, to learn how to decode what
	// follows.
	helloQuery = "SELECT displayName(), version(), revision(), timezone()"
)

func (q *request) isHello() bool { return strings.HasPrefix(q.text, helloQuery) }

// hello answers that query in the engine's stead. The library writes its Native
// format as of revision 0, the true revision would make the driver expect
// another: so this says 0. The answer itself is read as of a late revision, with
// block info and a flag for each column.
func hello(version string) []byte {
	var b proto.Buffer
	proto.BlockInfo{BucketNum: -1}.Encode(&b)
	b.PutInt(4) // columns
	b.PutInt(1) // rows
	column := func(name, kind string) {
		b.PutString(name)
		b.PutString(kind)
		b.PutBool(false) // no custom serialization
	}
	column("displayName()", "String")
	b.PutString(displayName)
	column("version()", "String")
	b.PutString(version)
	column("revision()", "UInt32")
	b.PutUInt32(0)
	column("timezone()", "String")
	b.PutString("UTC")
	return b.Buf
}
