package gate

import (
	"maps"
	"slices"
	"sync"
)

// table holds the connections that have logged in, by number.
type table struct {
	mu    sync.RWMutex
	conns map[uint64]*conn
}

// newTable holds nobody.
func newTable() *table { return &table{conns: make(map[uint64]*conn)} }

// get is nil for a number that is not held.
func (t *table) get(number uint64) *conn {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.conns[number]
}

// put comes before the connection's `connected`: a command may be there first.
func (t *table) put(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns[c.number] = c
}

// remove ignores a number that is not there, 0 too.
func (t *table) remove(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, number)
}

// all that are held now.
func (t *table) all() []*conn {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Collect(maps.Values(t.conns))
}

// len is how many have logged in.
func (t *table) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.conns)
}
