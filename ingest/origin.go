package ingest

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"waybill/schemas"
)

// origin is a record's place in an intake topic. What a record does not say of
// itself follows from it, so that reading it again makes no second push. The
// broker's time tells the offsets of a topic that was made anew from the old.
type origin struct {
	topic     string
	partition int32
	offset    int64
	time      int64 // the broker's, in microseconds
}

// name of a push that its caller gave none; its id is the hash of it.
func (o origin) name() string {
	return fmt.Sprintf("intake:%d:%d:%s", o.partition, o.offset, strconv.FormatInt(o.time, 36))
}

// traceID is a hash as well, in the shape of schemas.NewID, with the broker's
// time in front.
func (o origin) traceID() schemas.ID {
	id := schemas.NamedID(o.topic, "", o.name())
	ms := uint64(o.time / 1000)
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	id[6] = id[6]&0x0f | 0x70
	return id
}
