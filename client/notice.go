package client

import (
	"time"

	"waybill/schemas"
)

// Push is one message to the user of this device.
type Push struct {
	Position uint64   // its identity and its order; grows, with holes
	ID       [16]byte // its name, for Opened and for support
	Trace    [16]byte // the trace id to ask support about
	Family   uint16   // 1 to 65535, the application's
	Command  uint16   // command in the high byte, sub-command in the low one
	Body     []byte   // the application's to keep
	Again    bool     // it was written to this device before, and not acknowledged
}

// Response answers a Request.
type Response struct {
	Trace [16]byte
	Body  []byte // the application's to keep
}

// Gap names pushes that this device will never get: those after From, up to
// To.
type Gap struct {
	Reason   schemas.Reason
	From, To uint64
	// Adopted says that the device's cursor was from another log and has been
	// replaced: what it was owed in that one is unknown.
	Adopted bool
}

// NoticeKind is a change of the connection.
type NoticeKind string

// The kinds, in the order in which a connection has them.
const (
	Connecting   NoticeKind = "connecting"   // Address is dialed
	Connected    NoticeKind = "connected"    // logged in; pushes may come
	Resumed      NoticeKind = "resumed"      // everything owed has been handled, but for Gap
	Disconnected NoticeKind = "disconnected" // Err says why; the next try comes after Wait
)

// Notice tells what became of the connection.
type Notice struct {
	Kind    NoticeKind
	Address string
	Gap     *Gap // of Resumed; nil = complete
	Err     error
	Wait    time.Duration
}
