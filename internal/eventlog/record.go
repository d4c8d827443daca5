package eventlog

import "waybill/schemas"

// ByKey lets the key choose the partition, with the hash of Kafka's Java
// client. It is what Record.Partition must be unless a partition is meant.
const ByKey int32 = -1

// StampHeaderName is the header that carries the event of a record whose value
// is an application's own bytes.
const StampHeaderName = "waybill"

// StampSize is the most that a stamp adds. A value with so much spare capacity
// is stamped without a copy.
const StampSize = 20

// Stamp says where origin and serial are added.
type Stamp uint8

// The places.
const (
	StampValue  Stamp = iota // to the value, an encoded Event or Command
	StampHeader              // to the value of the header StampHeaderName
	NoStamp                  // nowhere: readers cannot tell a repeat
)

// Header of a record.
type Header struct {
	Key   string
	Value []byte
}

// Record is what is appended. Key, Value and the headers' values belong to the
// appender until done has been called, their spare capacity too: the stamp is
// written there.
type Record struct {
	Topic     string
	Partition int32 // ByKey, or a number
	Key       []byte
	Value     []byte
	Headers   []Header
	Stamp     Stamp
	Urgent    bool // do not linger: a person waits
}

// Appended says where a record stands in the log.
type Appended struct {
	Topic     string
	Partition int32
	// Position is 0 where the broker confirmed a repeat whose place it has
	// forgotten: the record is in the log, its position is learned by reading.
	Position schemas.Position
	// Time is the broker's time in microseconds, 0 where the client does not
	// learn it. Who needs it reads the record.
	Time int64
}

// Entry is one record as it was read. Its message, value, headers and all
// strings in them share the memory of the whole fetch: clone what is kept.
type Entry struct {
	Position schemas.Position
	Offset   int64
	// Time is the broker's append time in microseconds (whole milliseconds).
	Time int64
	// Event is that of topics of events, and of the uplinks' header. In the
	// control topic it is nil where a record without a value takes that of its
	// key back.
	Event   *schemas.Event
	Command *schemas.Command // of waybill.dispatch
	Key     []byte
	Value   []byte
	Headers []Header // of the topics that others read or write, else nil
}

// Batch is what one partition yielded, in order.
type Batch struct {
	Entries []Entry
	// Next is the offset to continue at: behind the last record that was read,
	// also where that one was left out.
	Next int64
	// Marks are the highest serials of the origins that occur in the batch, to
	// be stored with what the batch did: see Serials.Apply.
	Marks []OriginMark
	// Time is the highest broker time seen up to here, in microseconds.
	Time int64
	// Jumped says that records before this batch, or before an earlier one, were
	// missed.
	Jumped bool
	// Repeats, Misplaced and Undecodable count what was left out.
	Repeats, Misplaced, Undecodable int
}

// OriginMark is the mark of one origin.
type OriginMark struct {
	Origin uint64
	Mark
}
