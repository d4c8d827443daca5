package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"waybill/gate"
)

// Exit codes: what a supervisor may decide by. exitHelp and
// docs/operations.md say the same.
const (
	exitDrained  = 0
	exitFailed   = 1
	exitCrashed  = 2 // Go's own, of a panic or a fatal error: nothing here may mean something else by it
	exitStuck    = 3
	exitReplaced = 4
	exitUsage    = 64  // EX_USAGE of sysexits.h
	exitForced   = 130 // as a shell says of a process that was interrupted
)

const exitHelp = `Exit codes: 0 drained after SIGTERM or SIGINT, or done · 1 failed, and one sentence says why · 2 crashed, which is a bug: start it again · ` +
	`3 a partition of the log was stuck: start it again · 4 a newer gate has taken the number over: do not start it again · ` +
	`64 wrong flags or variables · 130 stopped at once by a second signal.`

// usageError is a mistake in flags or variables.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// codeOf is the code to exit with after err.
func codeOf(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitDrained
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, gate.ErrReplaced):
		return exitReplaced
	}
	return exitFailed
}

// end says why the process ends, and ends it.
func end(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "waybill: %v\n", err)
	}
	os.Exit(codeOf(err))
}

// onStuck ends the process when a partition of the log is stuck in it: its
// partitions go to another one.
func onStuck(log *slog.Logger) func(string, int32, time.Duration) {
	return func(topic string, partition int32, waiting time.Duration) {
		log.Error("a partition is stuck; the process ends so that another one takes it", "topic", topic, "partition", partition, "waiting", waiting)
		os.Exit(exitStuck)
	}
}
