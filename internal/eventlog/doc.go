// Package eventlog appends to the log and reads it. It is the only package
// that knows franz-go; everybody else sees topics, positions and events.
//
// # Appending
//
// An [Appender] is one producer client and one origin: a random number, drawn
// when it is opened. For each partition it counts its appends; origin and count
// (the serial) are added to the encoded message under the partition's lock,
// which also hands the record to the client, so that the order of the serials
// is the order in the log:
//
//	Append ─▶ partition's lock: bound? serial++, stamp, hand over ─▶ broker
//	   │                                                              │
//	   └─ ErrBusy: surely not in the log            done(Appended) ◀──┘
//
// The client is idempotent, waits for all replicas and retries for ever. What
// it accepted is bounded for each partition; a partition that is full, or has
// not moved for [AppenderConfig].Deadline, refuses at once, and no other
// partition notices.
//
// # Reading
//
// Every partition is served by a goroutine of its own, a [PartitionFunc], that
// says where to begin ([Partition.Start]) and owns the offset: it lives with
// the state that it produced. Repeats (same origin, serial not above the
// highest seen), records in a partition where their key does not belong and
// bytes that are no message are counted and left out; they block nobody.
//
// # Epochs
//
// waybill.events never gets partitions in place: it goes on as waybill.events.1.
// [Log.Grow] asks who appends facts, announces the next epoch, waits until all who
// answered have left the former one, and seals its partitions. An appender with
// [Epochs] goes along in order (line.go); a reader stops at the seal. The epoch
// stands in the high bits of each position, so that old ones stay valid.
//
// # Authority, and what may be lost
//
// The log is the authority; this package owns only origins and serials.
// Nothing that was acknowledged is lost with this process. Records accepted
// and not yet acknowledged are lost with it, and their callers know that they
// are in doubt ([ErrInDoubt]).
package eventlog
