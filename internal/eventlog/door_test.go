package eventlog

import (
	"net"
	"sync"
)

// door is an address that a broker may leave and come back to: no other process
// can take the port meanwhile. While nobody is in, callers are turned away.
type door struct {
	net.Listener
	mu   sync.Mutex
	room *room // nil while nobody is in
}

// room is the listener of one broker's life.
type room struct {
	*door
	conns chan net.Conn
	left  chan struct{} // closed by Close
}

func openDoor() (*door, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &door{Listener: l}
	go d.welcome()
	return d, nil
}

// welcome ends when the door is closed.
func (d *door) welcome() {
	for {
		conn, err := d.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		r := d.room
		d.mu.Unlock()
		if r == nil || !r.admit(conn) {
			conn.Close()
		}
	}
}

func (r *room) admit(conn net.Conn) bool {
	select {
	case r.conns <- conn:
		return true
	case <-r.left:
		return false
	}
}

// enter is for kfake.ListenFn.
func (d *door) enter(string, string) (net.Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = &room{door: d, conns: make(chan net.Conn), left: make(chan struct{})}
	return d.room, nil
}

func (r *room) Accept() (net.Conn, error) {
	select {
	case conn := <-r.conns:
		return conn, nil
	case <-r.left:
		return nil, net.ErrClosed
	}
}

// Close leaves the door as it is.
func (r *room) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.room == r {
		r.room = nil
		close(r.left)
	}
	return nil
}
