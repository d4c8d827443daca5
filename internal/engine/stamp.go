package engine

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A stamper gives every record that is produced the broker's time. kfake knows
// the topic config message.timestamp.type but does not act on it, and ttl and
// retention run from the append time. So each record batch is changed before
// the broker sees it: its first and largest timestamp become now, the records'
// distances from the first become 0, the checksum is made anew.
//
// The records of a compressed batch are not touched: there the newest gets the
// broker's time and the others keep their distance from it, which is the time
// that they waited in the producer.
type stamper struct {
	now  func() time.Time
	last int64 // newest stamp in ms; only the broker's one goroutine stamps
	crc  *crc32.Table
}

func newStamper() *stamper {
	return &stamper{now: time.Now, crc: crc32.MakeTable(crc32.Castagnoli)}
}

func (s *stamper) stampRequest(req kmsg.Request) {
	produce, ok := req.(*kmsg.ProduceRequest)
	if !ok {
		return
	}
	s.tick()
	for _, topic := range produce.Topics {
		for _, partition := range topic.Partitions {
			s.stamp(partition.Records)
		}
	}
}

// tick moves the stamp on; it never goes back while the broker runs.
func (s *stamper) tick() { s.last = max(s.last, s.now().UnixMilli()) }

// Offsets of the fields of a record batch, version 2.
const (
	batchMagic      = 16
	batchCRC        = 17
	batchAttributes = 21 // the checksum begins here
	batchFirstTime  = 27
	batchMaxTime    = 35
	batchHeader     = 61

	compressionMask = 0x0007
)

// stamp changes one batch in place. What is no sound batch is left as it is: the
// broker refuses it and says why.
func (s *stamper) stamp(batch []byte) {
	if len(batch) < batchHeader || batch[batchMagic] != 2 || !s.sound(batch) {
		return
	}
	first := s.last
	if compressed := binary.BigEndian.Uint16(batch[batchAttributes:])&compressionMask != 0; compressed {
		first -= spread(batch)
	} else if !zeroDeltas(batch[batchHeader:]) {
		return
	}
	binary.BigEndian.PutUint64(batch[batchFirstTime:], uint64(first))
	binary.BigEndian.PutUint64(batch[batchMaxTime:], uint64(s.last))
	binary.BigEndian.PutUint32(batch[batchCRC:], crc32.Checksum(batch[batchAttributes:], s.crc))
}

// sound keeps a batch that was damaged on its way from getting a good checksum.
func (s *stamper) sound(batch []byte) bool {
	return binary.BigEndian.Uint32(batch[batchCRC:]) == crc32.Checksum(batch[batchAttributes:], s.crc)
}

func spread(batch []byte) int64 {
	first := int64(binary.BigEndian.Uint64(batch[batchFirstTime:]))
	newest := int64(binary.BigEndian.Uint64(batch[batchMaxTime:]))
	return max(0, newest-first)
}

// zeroDeltas sets the timestamp delta of each record to 0 without moving a byte:
// a varint of n bytes becomes a zero of n bytes. It is false if the records end
// in the middle of one; the checksum then no longer fits, and the broker refuses
// the batch.
func zeroDeltas(records []byte) bool {
	for len(records) > 0 {
		length, n := binary.Varint(records)
		if n <= 0 || length < 2 || length > int64(len(records)-n) {
			return false
		}
		record := records[n : n+int(length)]
		delta := record[1:] // after the record's attributes
		_, width := binary.Varint(delta)
		if width <= 0 {
			return false
		}
		putWideZero(delta[:width])
		records = records[n+int(length):]
	}
	return true
}

// putWideZero fills b with a varint of value 0 that takes all of b.
func putWideZero(b []byte) {
	for i := range b {
		b[i] = 0x80
	}
	b[len(b)-1] = 0
}
