package eventlog

import "fmt"

// refusal is why an append was refused: the metric's label.
type refusal string

const (
	refusedFull     refusal = "partition_full"
	refusedBytes    refusal = "partition_full_bytes"
	refusedFailing  refusal = "partition_failing"
	refusedTooLarge refusal = "too_large"
	refusedUnknown  refusal = "no_partition"
	refusedClosed   refusal = "closed"
	refusedFault    refusal = "fault"
	refusedRetired  refusal = "epoch_over" // never told: the append goes to the next one
)

// err explains the refusal. The caller holds the lock of the partition.
func (r refusal) err(p *part) error {
	switch r {
	case refusedClosed:
		return ErrClosed
	case refusedFailing:
		return fmt.Errorf("append to %s/%d: %w: its oldest record has waited for longer than %v", p.topic, p.number, ErrBusy, p.a.cfg.Deadline)
	}
	return fmt.Errorf("append to %s/%d: %w: %d records and %d bytes wait, at most %d and %d", p.topic, p.number, ErrBusy,
		p.records, p.bytes, p.a.cfg.MaxPerPartition, p.a.cfg.MaxBytesPerPartition)
}
