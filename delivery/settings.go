package delivery

import "time"

// Settings are the policies under which a worker decides. They may differ
// between workers and over time: what was decided stands in the log.
type Settings struct {
	// AckTimer is how long a push that was sent may wait for the cursor or for
	// received before its connection is closed: a few seconds later, when it is
	// proved that the log takes acknowledgements.
	AckTimer time.Duration
	// Handling is how long an application may work on one push after received.
	Handling time.Duration
	// Window is how many pushes may be in flight to a device that did not ask
	// for another number.
	Window int
	// Mailbox is how many open pushes a user may have; newer ones that were not
	// dispatched end as overflow.
	Mailbox int
	// Devices is on how many a user may be logged in at once. One more ends the
	// session of the device that is away longest.
	Devices int
	// Lease is assumed of a gate that did not say its own.
	Lease time.Duration
	// SilentLeases of a gate end its routes.
	SilentLeases int
	// Burst is how many commands one gate is told at once, at most; the rest
	// follows when those are on their way (default 4096). It bounds the memory
	// that a takeover takes.
	Burst int
	// Idle is how long a user who is away stays in memory after it was looked at
	// last (default 1 min), where the worker can read rows.
	Idle time.Duration
	// Policy of apps that have none of their own: those of which the worker has
	// read no record.
	Policy Policy
}

// Defaults are the settings of an installation that chose none. Window
// and Handling are what docs/protocol.md §10 tells devices.
func Defaults() Settings {
	return Settings{
		AckTimer: 10 * time.Second, Handling: 5 * time.Minute,
		Window: 32, Mailbox: 1000, Devices: 64, Burst: 4096,
		Lease: 10 * time.Second, SilentLeases: 10, Idle: time.Minute,
		Policy: Policy{SessionExpiry: 30 * 24 * time.Hour, UnreachedAfter: 3 * time.Second},
	}
}

// A push counts against a connection only as said in mailbox.Copy.Tries: from
// the second the device gets one push at a time, after the fifth it is given
// up, so that a poison push does not block the rest.
const (
	narrowAfter = 2
	poisonAfter = 5
)
