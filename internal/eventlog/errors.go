package eventlog

import "errors"

var (
	// ErrBusy refuses an append at once: its partition is full, has stopped
	// moving, or its topic cannot be looked up now. The record is surely not in
	// the log; try again later.
	ErrBusy = errors.New("the partition is busy")

	// ErrInDoubt is told of a record that was handed over and whose end is not
	// known: it may be in the log, now or later.
	ErrInDoubt = errors.New("the record may be in the log")

	// ErrTooLarge refuses a record over the largest batch that the broker takes.
	ErrTooLarge = errors.New("the record is too large")

	// ErrUnknownTopic refuses an append to a topic that does not exist. Topics
	// are created by `waybill migrate`, never by use.
	ErrUnknownTopic = errors.New("the topic does not exist: run `waybill migrate`")

	// ErrNoPartition refuses a record without a key, or for a partition that the
	// topic does not have.
	ErrNoPartition = errors.New("the record has no partition")

	// ErrClosed refuses whatever comes after Close.
	ErrClosed = errors.New("the log is closed")

	// ErrLost is the cause with which a PartitionFunc's context ends when the
	// partition is taken away or its reader stops.
	ErrLost = errors.New("the partition was taken away")

	// ErrStarted is the answer to a second Start of one assignment.
	ErrStarted = errors.New("the partition has been started already")

	// ErrNoGroup refuses Commit and Committed outside a group.
	ErrNoGroup = errors.New("the partition was assigned by hand and belongs to no group")
)
