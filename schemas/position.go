package schemas

import "fmt"

// Position is an event's place in the log: the log's epoch in the high 16
// bits, the Kafka offset plus one below. 0 is nothing: before every event.
// Positions of one partition are comparable across epochs.
type Position uint64

const offsetBits = 48

// At makes the position of a record at a Kafka offset (0 to 2^48-2).
func At(epoch uint16, offset int64) Position {
	return Position(uint64(epoch)<<offsetBits | uint64(offset+1))
}

// Epoch of the log: 0 for waybill.events, 1 for waybill.events.1.
func (p Position) Epoch() uint16 { return uint16(p >> offsetBits) }

// Offset in Kafka; -1 for position 0 of its epoch.
func (p Position) Offset() int64 { return int64(p&(1<<offsetBits-1)) - 1 }

// String is epoch.offset, or "none".
func (p Position) String() string {
	if p == 0 {
		return "none"
	}
	return fmt.Sprintf("%d.%d", p.Epoch(), p.Offset())
}
