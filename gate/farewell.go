package gate

import (
	"time"

	"waybill/schemas"
)

// farewell is what a device is told when its connection is closed.
type farewell struct {
	reason   schemas.Reason
	detail   string        // for a person; empty: the reason's own sentence
	stay     bool          // it must not reconnect by itself
	after    time.Duration // how long it waits before it does, plus as much jitter
	address  string        // of the gate that it goes to first; empty: as it likes
	redirect bool          // it goes there now: the frame is a redirect
}

const (
	// afterFault slows a device down whose frames are wrong: the next
	// connection will likely end the same way.
	afterFault = 5 * time.Second
	// afterBusy gives the log time; also what Error.retry_after says.
	afterBusy = 2 * time.Second
	// afterStop spreads the devices of a gate that stops.
	afterStop = time.Second
)

// farewellFor is the gate's half of the table in docs/protocol.md §9.
func farewellFor(r schemas.Reason) farewell {
	f := farewell{reason: r}
	switch r {
	case schemas.Reason_REASON_BAD_TOKEN, schemas.Reason_REASON_UNKNOWN_APP, schemas.Reason_REASON_NOT_ADMITTED,
		schemas.Reason_REASON_KICKED, schemas.Reason_REASON_REVOKED, schemas.Reason_REASON_LOGGED_OUT:
		f.stay = true
	case schemas.Reason_REASON_BAD_FRAME, schemas.Reason_REASON_UNKNOWN_VERSION, schemas.Reason_REASON_UNKNOWN_FLAG,
		schemas.Reason_REASON_FRAME_TOO_LARGE, schemas.Reason_REASON_BAD_BODY,
		schemas.Reason_REASON_NOT_LOGGED_IN, schemas.Reason_REASON_SECOND_LOGIN, schemas.Reason_REASON_LOGIN_TIMEOUT:
		f.after = afterFault
	case schemas.Reason_REASON_BUSY:
		f.after = afterBusy
	case schemas.Reason_REASON_GATE_STOPPING, schemas.Reason_REASON_GATE_REPLACED, schemas.Reason_REASON_DISPATCH_JUMP,
		schemas.Reason_REASON_SUPERSEDED, schemas.Reason_REASON_STALE_LOGIN:
		f.after = afterStop
	}
	return f
}

// ordered is the farewell of a close that delivery asks for, which may keep a
// device away for longer: one that flaps.
func ordered(cmd *schemas.Command) farewell {
	f := farewellFor(cmd.Reason)
	f.after = max(f.after, time.Duration(cmd.After)*time.Millisecond)
	return f
}
