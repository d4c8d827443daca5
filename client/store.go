package client

import (
	"bytes"
	"slices"
	"sync"
)

// State is what a device keeps across connections and restarts. All of it is
// saved at once or not at all; see docs/protocol.md §4.
type State struct {
	Install  [16]byte // drawn when the storage is first used; zero in an empty store
	Count    uint64   // login and resume attempts of this install, saved before each is sent
	Sequence uint64   // the highest that may have been used
	Cursor   uint64   // position up to which the application has handled everything that User was owed
	Ticket   []byte   // from the last login; nil = a login is due
	// User is whose Cursor and Ticket these are, as app/user, read from the
	// token; empty = not known. Another user begins with a Cursor of 0: positions
	// of two users have nothing to do with each other.
	User string
	// Anonymous is the last ticket of a session without a person; nil = there is
	// none. The login of a person ends it.
	Anonymous []byte
	// Gates are where to go after a restart: the last gate, then others that it named.
	Gates []string
}

// Store keeps a State. Save must be atomic and durable before it returns: a
// cursor that is acknowledged and then lost comes back as repeats, a count that
// is lost lets an old connection win. Calls do not overlap.
type Store interface {
	// Load returns the zero State if nothing was saved yet. An error ends Run;
	// it must not be answered with an empty State.
	Load() (State, error)
	// Save replaces what was saved before.
	Save(State) error
}

// MemoryStore forgets everything with the process: each start is a new
// install. It is for tests and for load. The zero value is empty.
type MemoryStore struct {
	mu    sync.Mutex
	state State
}

// Load returns what was saved last.
func (m *MemoryStore) Load() (State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state, nil
}

// Save keeps s in memory.
func (m *MemoryStore) Save(s State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Ticket, s.Anonymous, s.Gates = bytes.Clone(s.Ticket), bytes.Clone(s.Anonymous), slices.Clone(s.Gates)
	m.state = s
	return nil
}
