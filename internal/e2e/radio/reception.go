package radio

import (
	"sync"

	"waybill/client"
	"waybill/internal/e2e/bell"
)

// Reception is what the SDK on a phone says of its connections; it rings with
// each notice. The zero value is a phone that is off.
type Reception struct {
	bell.Bell

	mu    sync.Mutex
	up    bool
	homes int
	ends  []error
}

// Notice takes what the SDK says: it is a client.Config's OnNotice.
func (r *Reception) Notice(n client.Notice) {
	r.mu.Lock()
	switch n.Kind {
	case client.Resumed:
		r.up = true
		r.homes++
	case client.Disconnected:
		r.up = false
		r.ends = append(r.ends, n.Err)
	}
	r.mu.Unlock()
	r.Ring()
}

// Online says that everything owed has come and the connection is up.
func (r *Reception) Online() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.up
}

// Homes is how often the phone has come home: logged in or resumed.
func (r *Reception) Homes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.homes
}

// Ends says why connections, and tries to have one, have ended so far.
func (r *Reception) Ends() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ends[:len(r.ends):len(r.ends)]
}
