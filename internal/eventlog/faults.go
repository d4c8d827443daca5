package eventlog

import (
	"context"
	"errors"
	"sync"
	"time"
)

// AllPartitions stands for every partition of a topic in a fault.
const AllPartitions int32 = -1

// Faults is a seam for tests and simulation: it delays, holds and fails topics
// and partitions, each by itself. The embedded broker has one order for all and
// is never away in part. Several Logs may share one Faults. It holds for
// appends and for reads.
//
//   - Delay: every record passes that much later, in order.
//   - Hold: appends are accepted up to the bounds, nothing passes until Release.
//   - Fail: appends are refused with ErrBusy and the error; nothing passes.
//
// The zero value has no faults.
type Faults struct {
	mu      sync.Mutex
	faults  map[place]fault
	changed chan struct{} // closed by whoever changes faults; nil = nobody waits
}

type place struct {
	topic     string
	partition int32
}

type fault struct {
	delay time.Duration
	hold  bool
	err   error
}

// Delay lets records of the partition pass d after they came; 0 ends it.
func (f *Faults) Delay(topic string, partition int32, d time.Duration) {
	f.change(topic, partition, func(x *fault) { x.delay = d })
}

// Fail refuses appends with err and lets nothing pass; nil ends it.
func (f *Faults) Fail(topic string, partition int32, err error) {
	f.change(topic, partition, func(x *fault) { x.err = err })
}

// Hold lets nothing pass until Release.
func (f *Faults) Hold(topic string, partition int32) {
	f.change(topic, partition, func(x *fault) { x.hold = true })
}

// Release ends a Hold of the same topic and partition.
func (f *Faults) Release(topic string, partition int32) {
	f.change(topic, partition, func(x *fault) { x.hold = false })
}

// Clear ends all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.faults)
	f.wake()
}

func (f *Faults) change(topic string, partition int32, edit func(*fault)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults == nil {
		f.faults = make(map[place]fault)
	}
	at := place{topic, partition}
	x := f.faults[at]
	if edit(&x); x == (fault{}) {
		delete(f.faults, at)
	} else {
		f.faults[at] = x
	}
	f.wake()
}

// wake lets everybody who waits look again. The caller holds the lock.
func (f *Faults) wake() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// of joins the faults of the partition and of its whole topic. The caller holds
// the lock.
func (f *Faults) of(topic string, partition int32) fault {
	x, all := f.faults[place{topic, partition}], f.faults[place{topic, AllPartitions}]
	return fault{
		delay: max(x.delay, all.delay),
		hold:  x.hold || all.hold,
		err:   errors.Join(x.err, all.err),
	}
}

// touches says that something is wrong with the partition.
func (f *Faults) touches(topic string, partition int32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.of(topic, partition)
	return x.hold || x.delay > 0 || x.err != nil
}

// refusal is the error of a Fail, or nil. A nil Faults has none.
func (f *Faults) refusal(topic string, partition int32) error {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of(topic, partition).err
}

// pass returns when what came at the time may go on, or ctx's cause. A nil
// Faults lets everything pass.
func (f *Faults) pass(ctx context.Context, topic string, partition int32, came time.Time) error {
	if f == nil {
		return nil
	}
	for {
		wait, changed := f.until(topic, partition, came)
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// forEver is longer than any test: what is held waits for a change.
const forEver = 1000 * time.Hour

// until says how long to wait, and what to look at meanwhile.
func (f *Faults) until(topic string, partition int32, came time.Time) (time.Duration, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	x := f.of(topic, partition)
	if x.hold || x.err != nil {
		return forEver, f.changed
	}
	return x.delay - time.Since(came), f.changed
}
