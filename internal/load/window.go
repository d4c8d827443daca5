package load

import "sync"

// window bounds how many messages are on their way.
type window struct {
	mu     sync.Mutex
	free   int // guarded by mu
	closed bool
	more   *sync.Cond
}

func newWindow(size int) *window {
	w := &window{free: size}
	w.more = sync.NewCond(&w.mu)
	return w
}

// take waits for at least least free places and takes up to most of them. It
// returns 0 when the window is closed.
func (w *window) take(least, most int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.free < least && !w.closed {
		w.more.Wait()
	}
	if w.closed {
		return 0
	}
	n := min(w.free, most)
	w.free -= n
	if w.free > 0 {
		w.more.Signal()
	}
	return n
}

func (w *window) give(n int) {
	if n == 0 {
		return
	}
	w.mu.Lock()
	w.free += n
	w.mu.Unlock()
	w.more.Signal()
}

// close lets everybody who waits go.
func (w *window) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.more.Broadcast()
}
