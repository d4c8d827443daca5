package gate

import (
	"sync"
	"time"
)

const (
	// wheelTick is the grain of all deadlines: the shortest is two seconds.
	wheelTick = 250 * time.Millisecond
	// wheelSlots make a turn of 256 s, longer than most silences; what lies
	// further ahead is looked at once a turn.
	wheelSlots = 1024
)

// wheel holds every open connection in the slot of its deadline, once; times are
// nanoseconds on the gate's clock, which nobody sets back or forth. Deadlines
// are lazy: a frame only moves the connection's own, and when the slot comes the
// connection says when to look again. A connection in it has an index ≥ 0.
//
// Its lock is taken under connections' locks, never the other way round.
type wheel struct {
	mu    sync.Mutex
	slots [wheelSlots][]*conn
	now   int64 // tick that was looked at last
	count int
}

// tickOf is the tick in which a time lies.
func tickOf(nanos int64) int64 { return nanos / int64(wheelTick) }

// add takes a connection that is not in it.
func (w *wheel) add(c *conn, deadline int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.place(c, deadline)
}

// move looks at the connection at another time. One that is not in the wheel
// is gone, or is being looked at and will add itself.
func (w *wheel) move(c *conn, deadline int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.index >= 0 {
		w.take(c)
		w.place(c, deadline)
	}
}

// remove leaves nothing behind: a storm of reconnects must not pile up here.
func (w *wheel) remove(c *conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.index >= 0 {
		w.take(c)
	}
}

// place puts the connection into the first slot after its deadline.
func (w *wheel) place(c *conn, deadline int64) {
	tick := min(max(tickOf(deadline)+1, w.now+1), w.now+wheelSlots-1)
	slot := int32(tick % wheelSlots)
	c.slot, c.index = slot, int32(len(w.slots[slot]))
	w.slots[slot] = append(w.slots[slot], c)
	w.count++
}

// take fills the gap with the slot's last one. The caller holds the lock.
func (w *wheel) take(c *conn) {
	slot := w.slots[c.slot]
	last := len(slot) - 1
	slot[c.index] = slot[last]
	slot[c.index].index = c.index
	slot[last] = nil
	w.slots[c.slot] = slot[:last]
	c.index = -1
	w.count--
}

// turn looks at every connection whose slot has come by now.
func (w *wheel) turn(now int64) {
	for {
		due, ok := w.due(now)
		if !ok {
			return
		}
		for _, c := range due {
			c.expire(now)
		}
	}
}

// due takes the next slot out; false when all up to now have been.
func (w *wheel) due(now int64) ([]*conn, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now >= tickOf(now) {
		return nil, false
	}
	w.now++
	slot := &w.slots[w.now%wheelSlots]
	due := *slot
	*slot = nil
	for _, c := range due {
		c.index = -1
	}
	w.count -= len(due)
	return due, true
}

// all is every connection that is open now.
func (w *wheel) all() []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	conns := make([]*conn, 0, w.count)
	for _, slot := range w.slots {
		conns = append(conns, slot...)
	}
	return conns
}

// len is how many connections are open, logged in or not.
func (w *wheel) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}
