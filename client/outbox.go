package client

import (
	"fmt"
	"slices"
	"time"

	"waybill/schemas"
)

// call is a request of the application that waits for its answer.
type call struct {
	// Fixed.
	oneWay          bool
	family, command uint16
	trace           [16]byte
	body            []byte
	done            chan struct{} // closed once, when answer and err are set

	// Guarded by Client.mu.
	sequence uint64 // 0 until it is first written
	tries    uint16
	written  bool // on this connection, and not answered since
	gone     bool // given up while written: its answer is still awaited
	response Response
	err      error
}

// end answers the call.
func (c *call) end(r Response, err error) {
	c.response, c.err = r, err
	close(c.done)
}

// outbox holds calls until they are answered, in order, and says which one to
// write next. It is the rule of docs/protocol.md §8: after a refusal nothing is
// written until everything that was written behind the refused call has been
// answered too and the wait is over; then all goes out again, lowest first. It
// has no clock, no lock and no I/O.
type outbox struct {
	free  func()  // called for each call that leaves
	calls []*call // in order of sequence; those not written for the first time at the end
	cut   int     // calls[:cut] are written, unless held
	held  bool    // a call was refused
	mark  uint64  // the lowest sequence that was refused since held
	until time.Time
}

func (o *outbox) add(c *call) { o.calls = append(o.calls, c) }

// lowest sequence that is held. Only meaningful while there is a written call.
func (o *outbox) lowest() uint64 { return o.calls[0].sequence }

// next is the call to write now, or nil. It stays next until wrote is called.
func (o *outbox) next(now time.Time) *call {
	if o.held {
		if !o.ready(now) {
			return nil
		}
		o.held = false
		o.cut = o.firstUnwritten()
	}
	if o.cut == len(o.calls) {
		return nil
	}
	return o.calls[o.cut]
}

// wrote marks what next returned as written.
func (o *outbox) wrote(c *call) {
	c.written = true
	if c.tries < 1<<16-1 {
		c.tries++
	}
	o.cut++
}

// ready says that the wait after a refusal is over. It is not while a call
// behind the refused one is unanswered: what is written now could overtake it.
func (o *outbox) ready(now time.Time) bool {
	return !now.Before(o.until) &&
		!slices.ContainsFunc(o.calls, func(c *call) bool { return c.written && c.sequence > o.mark })
}

func (o *outbox) firstUnwritten() int {
	i := slices.IndexFunc(o.calls, func(c *call) bool { return !c.written })
	if i < 0 {
		return len(o.calls)
	}
	return i
}

// find is the call with that sequence, or nil: it was answered before.
func (o *outbox) find(sequence uint64) *call {
	for _, c := range o.calls {
		if c.sequence == sequence && sequence != 0 {
			return c
		}
	}
	return nil
}

// refused takes a call back: it is written again at until at the earliest.
func (o *outbox) refused(c *call, until time.Time) {
	if !o.held || c.sequence < o.mark {
		o.mark = c.sequence
	}
	o.held = true
	if until.After(o.until) {
		o.until = until
	}
	c.written = false
	if c.gone {
		o.remove(c)
	}
}

// giveUp forgets a call for which nobody waits any more; false if it is not
// there. One that is written stays until it is answered: if it has been
// refused and that is still on its way, a lowest that passes over it would let
// later calls overtake those in between.
func (o *outbox) giveUp(c *call) bool {
	if c.written && slices.Contains(o.calls, c) {
		c.gone = true
		return true
	}
	return o.remove(c)
}

// remove forgets a call. It says whether the call was there.
func (o *outbox) remove(c *call) bool {
	ok := o.take(c)
	if ok {
		o.free()
	}
	return ok
}

// take is remove for a call that goes on elsewhere.
func (o *outbox) take(c *call) bool {
	i := slices.Index(o.calls, c)
	if i < 0 {
		return false
	}
	o.calls = slices.Delete(o.calls, i, i+1)
	if i < o.cut {
		o.cut--
	}
	return true
}

// reconnected: everything is to be written again, on the new connection, which
// knows of no refusal.
func (o *outbox) reconnected() {
	o.drop(func(c *call) bool { return c.gone })
	for _, c := range o.calls {
		c.written = false
	}
	o.cut, o.held, o.until = 0, false, time.Time{}
}

// endAll answers every call with err.
func (o *outbox) endAll(err error) {
	o.drop(func(c *call) bool {
		c.end(Response{}, err)
		return true
	})
	o.cut, o.held = 0, false
}

// endTooLarge ends what a connection with that limit cannot carry.
func (o *outbox) endTooLarge(room int) {
	o.drop(func(c *call) bool {
		if len(c.body) <= room {
			return false
		}
		c.end(Response{}, tooLarge(len(c.body), room))
		return true
	})
}

// drop removes the calls that which names; cut must be set anew afterwards.
func (o *outbox) drop(which func(*call) bool) {
	before := len(o.calls)
	o.calls = slices.DeleteFunc(o.calls, which)
	for range before - len(o.calls) {
		o.free()
	}
}

func tooLarge(size, room int) error {
	return &StatusError{
		Reason:  schemas.Reason_REASON_FRAME_TOO_LARGE,
		Message: fmt.Sprintf("body has %d bytes: at most %d are allowed", size, room),
	}
}
