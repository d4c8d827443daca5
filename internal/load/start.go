package load

import (
	"context"
	"errors"
	"slices"
)

// Starter starts what the suite measures. Each function returns when the thing
// serves; the function that it returns ends it, and whatever it had started.
// The binary fills it in: only the binary knows its own commands.
type Starter struct {
	// Dev is a whole Waybill in one process, in a directory that goes with it.
	Dev func(context.Context, DevOptions) (Target, func() error, error)
	// Split is a Waybill of which each stage and each engine is a process.
	Split func(context.Context, SplitOptions) (Target, func() error, error)
	// Gate is one more gate, alone in its process, beside a Waybill.
	Gate func(context.Context, Target) (Target, func() error, error)
	// Projector runs alone on a recorded log and a database without rows; of
	// the target, Metrics and PIDs are set.
	Projector func(context.Context, ProjectorOptions) (Target, func() error, error)
	// Kafka is Apache Kafka with that many nodes; the number is that of the
	// process from which all of them descend.
	Kafka func(ctx context.Context, nodes int) (brokers []string, pid int, stop func() error, err error)
	// Echo is the yardstick; the target has only Gates and PIDs.
	Echo func(context.Context) (Target, func() error, error)
}

// DevOptions of a whole Waybill in one process.
type DevOptions struct {
	Gates int      // 0 = 1
	Sync  bool     // fsync on each append
	Kafka []string // brokers in place of the embedded one
}

// SplitOptions of a Waybill in processes.
type SplitOptions struct {
	// LogDir keeps the log when the Waybill is gone; empty = it goes with it.
	LogDir string
	// NoProjectors leaves the projectors and the console out: a log is recorded
	// that no group has read.
	NoProjectors bool
}

// ProjectorOptions of a projector alone.
type ProjectorOptions struct {
	LogDir string // of the recorded log; it is written to
	Only   string // session or hop, as `waybill projector --only` has it
}

// Ending is what has to be ended, the newest first.
type Ending struct{ stops []func() error }

// Add is called when something new has been started.
func (e *Ending) Add(stop func() error) { e.stops = append(e.stops, stop) }

// Run ends everything.
func (e *Ending) Run() error {
	var errs []error
	for _, stop := range slices.Backward(e.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// Because ends everything after a failure.
func (e *Ending) Because(err error) error { return errors.Join(err, e.Run()) }
