package gate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"waybill/internal/eventlog"
	"waybill/internal/wire"
	"waybill/schemas"
)

// Facts turns what the gate reports into events in the log.
type Facts interface {
	// Prepare waits until the log has said where the topics' records go: a
	// Report to a topic that nobody prepared waits for that itself. An error
	// says that it does not know, or that ctx ended.
	Prepare(ctx context.Context, topics ...string) error
	// Report hands over one fact and returns at once. Facts of one user keep
	// the order of their reports. value is the body of an uplinked, owned by
	// the callee until done; e is read before Report returns and not kept. An
	// error means that the fact is surely not in the log and done will not be
	// called (busy: try later). Otherwise done is called exactly once, from
	// another goroutine, never from within Report; it may be nil. urgent asks not to linger.
	Report(e *schemas.Event, value []byte, urgent bool, done func(schemas.Position, error)) error
}

// Apps knows the keys that sign device tokens, and whom they may name.
type Apps interface {
	// TokenKey returns algorithm (EdDSA or HS256) and key (public key, or
	// shared secret) for a token's app and kid.
	TokenKey(app, kid string) (alg string, key []byte, ok bool)
	// Anonymous says whether the app lets in devices whose token names no user.
	Anonymous(app string) bool
}

// Config of a Gate. Fields without a default are required.
type Config struct {
	// Number of the gate, from 1, below the partitions of waybill.dispatch, of
	// which it is the gate's own. A second process with the same number takes
	// over; the first closes its connections and ends.
	Number uint32
	// Listen is the TCP address that devices connect to (host:port; port 0
	// takes a free one, see Addr).
	Listen string
	// Advertise is the address that devices are told (default: the one that is
	// listened on). Wrong, and devices cannot come back to their gate.
	Advertise string
	// Log is where commands and the gates' topic are read and the gate's own
	// signs of life appended.
	Log *eventlog.Log
	// Facts takes the gate's reports.
	Facts Facts
	// Apps holds the apps' token keys. The gate accepts connections as soon as
	// Run has begun, so it must be read to its end before.
	Apps Apps
	// Control is the view of the control topic: published keys, revocations. Run
	// must not begin before it has been read to its end. nil: there is none.
	Control Control
	// ClusterKey opens the published keys that seal resume tickets, and seals
	// them itself while there is none: 32 bytes, the same on every gate. Another
	// key, and every device must log in again.
	ClusterKey []byte
	// Lease is the gate's right to hold connections, renewed three times within
	// it (default 10 s). Longer, and a dead gate's routes are found out later.
	Lease time.Duration
	// Heartbeat is how often a device says that it lives (default 60 s, 30 to
	// 300 s for phones). After two and a half of them the connection is closed.
	Heartbeat time.Duration
	// LoginTimeout closes connections that have not logged in (default 10 s);
	// it also bounds how long a login waits for the log.
	LoginTimeout time.Duration
	// MaxFrame is the most bytes after a header, in both directions (default
	// 64 KiB); a device may ask for less. It bounds a decompressed body too.
	MaxFrame uint32
	// Window is the most pushes in flight to a device (default 32); a device
	// may ask for less. The gate grants it, delivery keeps it.
	Window uint32
	// Queue is the most bytes that wait for a device that reads slowly (default
	// 1 MiB and a frame: a whole window of the largest bodies). A queue that
	// would pass it closes its connection.
	Queue int
	// DrainTime is how long a gate that is to stop hands its devices over to other
	// gates, before it closes those that are left; 0 closes all of them at once.
	// Less than connections divided by DrainRate, and the rest comes back in a rush.
	DrainTime time.Duration
	// DrainRate is how many devices a second it redirects (default 500). More, and
	// the other gates, and delivery, have more resumes at a time.
	DrainRate int
	// Drain is how long a stopping gate waits then for farewells to be written and
	// disconnects to reach the log (default 5 s).
	Drain time.Duration
	// Logger gets a line for each change of the gate's life; nil discards them.
	Logger *slog.Logger
	// Meter makes the gate's instruments; nil measures nothing.
	Meter metric.Meter
}

const (
	defaultLease        = 10 * time.Second
	defaultHeartbeat    = time.Minute
	defaultLoginTimeout = 10 * time.Second
	defaultMaxFrame     = 64 << 10
	defaultWindow       = 32
	defaultDrain        = 5 * time.Second
	defaultDrainRate    = 500

	// maxLogin bounds the frames of a connection that has not logged in.
	maxLogin = 16 << 10
	// linger is how long a closed connection may take to read its farewell.
	linger = 2 * time.Second
)

// setDefaults is the one place of all defaults.
func (c *Config) setDefaults() {
	setDefault(&c.Lease, defaultLease)
	setDefault(&c.Heartbeat, defaultHeartbeat)
	setDefault(&c.LoginTimeout, defaultLoginTimeout)
	setDefault(&c.MaxFrame, defaultMaxFrame)
	setDefault(&c.Window, defaultWindow)
	setDefault(&c.Queue, 1<<20+wire.HeaderSize+int(c.MaxFrame))
	setDefault(&c.Drain, defaultDrain)
	setDefault(&c.DrainRate, defaultDrainRate)
	if c.Control == nil {
		c.Control = alone{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Meter == nil {
		c.Meter = noop.Meter{}
	}
}

// setDefault fills a field that was left at its zero value.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// check says what is wrong and what is allowed; the cluster key is checked by
// who uses it.
func (c *Config) check() error {
	switch {
	case c.Number == 0:
		return errors.New("number is 0: gates are numbered from 1")
	case c.Facts == nil || c.Apps == nil:
		return errors.New("facts and apps are required")
	case c.MaxFrame < maxLogin:
		return fmt.Errorf("max frame is %d bytes: at least %d are needed", c.MaxFrame, maxLogin)
	case c.Queue < wire.HeaderSize+int(c.MaxFrame):
		return fmt.Errorf("queue is %d bytes: a frame of %d must fit", c.Queue, wire.HeaderSize+int(c.MaxFrame))
	case c.Lease < 0 || c.Heartbeat < 0 || c.LoginTimeout < 0 || c.Drain < 0 || c.DrainTime < 0:
		return errors.New("a duration is negative")
	case c.DrainRate < 0:
		return fmt.Errorf("drain rate is %d devices a second: at least 1 is needed", c.DrainRate)
	}
	return nil
}
