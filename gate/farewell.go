package gate

import (
	"time"

	"waybill/schemas"
)

// farewell says what a device is told to do after a close for each reason.
type farewell struct {
	stay  bool          // it must not reconnect by itself
	after time.Duration // how long it waits before it does, plus as much jitter
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
	switch r {
	case schemas.Reason_REASON_BAD_TOKEN, schemas.Reason_REASON_UNKNOWN_APP, schemas.Reason_REASON_KICKED,
		schemas.Reason_REASON_REVOKED, schemas.Reason_REASON_LOGGED_OUT:
		return farewell{stay: true}
	case schemas.Reason_REASON_BAD_FRAME, schemas.Reason_REASON_UNKNOWN_VERSION, schemas.Reason_REASON_UNKNOWN_FLAG,
		schemas.Reason_REASON_FRAME_TOO_LARGE, schemas.Reason_REASON_BAD_BODY,
		schemas.Reason_REASON_NOT_LOGGED_IN, schemas.Reason_REASON_SECOND_LOGIN, schemas.Reason_REASON_LOGIN_TIMEOUT:
		return farewell{after: afterFault}
	case schemas.Reason_REASON_BUSY:
		return farewell{after: afterBusy}
	case schemas.Reason_REASON_GATE_STOPPING, schemas.Reason_REASON_GATE_REPLACED, schemas.Reason_REASON_DISPATCH_JUMP,
		schemas.Reason_REASON_SUPERSEDED, schemas.Reason_REASON_STALE_LOGIN:
		return farewell{after: afterStop}
	}
	return farewell{}
}
