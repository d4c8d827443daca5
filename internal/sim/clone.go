package sim

import (
	"slices"
	"time"

	"waybill/schemas"
)

// A clone is a second phone with a copy of one's storage: two that live under one
// device id. They take each other's place until they wear out.

// clone makes one, once in a schedule.
func (w *world) clone() {
	if len(w.devices) > 2 {
		return
	}
	d := w.someDevice()
	c := &device{w: w, index: d.index, name: d.name, platform: d.platform, storage: d.storage, stay: d.stay, began: d.dedupe.Cursor()}
	c.seen = slices.Clone(d.seen)
	w.devices = append(w.devices, c)
	w.say("device %s is cloned", d.name)
}

// mostBackoff is how long a device waits whose connection was superseded while it
// used that: somebody else lives under its name.
const mostBackoff = 3 * second

// waits for its turn after it was closed for the reason; after is what the gate
// said, in milliseconds.
func (d *device) waits(reason schemas.Reason, after int64) {
	switch reason {
	case schemas.Reason_REASON_SUPERSEDED, schemas.Reason_REASON_REPLACED_SESSION:
		d.until = d.w.clock + mostBackoff
	case schemas.Reason_REASON_FLAPPING:
		d.until = d.w.clock + (time.Duration(after) * time.Millisecond).Microseconds()
	}
}

// backOff of one of two clones: without, each would take the other's place before
// its gate has said why that had gone.
func (d *device) backOff() {
	if d.cloned() {
		d.until = d.w.clock + second/10
	}
}

// away: it may not dial yet, or somebody does not want it to.
func (d *device) away() bool { return d.stay || d.until > d.w.clock }

// heardBy is the phone that uses the connection; nil = none.
func (w *world) heardBy(id schemas.ConnID) *device {
	for _, d := range w.devices {
		if d.conn != nil && d.conn.number != 0 && d.conn.id() == id {
			return d
		}
	}
	return nil
}

// cloned says that the device's name is not its own.
func (d *device) cloned() bool {
	return slices.ContainsFunc(d.w.devices, func(x *device) bool { return x != d && x.name == d.name })
}
