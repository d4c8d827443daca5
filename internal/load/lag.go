package load

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Own is what the generator itself added to the latencies. It shares the cores
// with what it measures, so it is late too; a figure does not hide that.
type Own struct {
	// SendP99 is from the time for which a call was meant to its writing, in an
	// open loop: waiting for a free connection of the app-server, or for a core.
	SendP99 float64 `json:"send_p99_ms"`
	// ReadP99 is how long bytes that the kernel had for a device waited at most
	// while the generator served other devices.
	ReadP99 float64 `json:"read_p99_ms"`
	// Waited is the share of the time, 0 to 1, in which the devices' thread was
	// ready and had no core. It is in the latencies too.
	Waited float64 `json:"waited"`
}

// readLag times a poller. Its thread records; begin and end may be called from
// anywhere.
type readLag struct {
	tid    atomic.Int64
	waited time.Duration // by begin

	mu   sync.Mutex
	hist *hdrhistogram.Histogram // guarded by mu; microseconds
}

func newReadLag() *readLag {
	return &readLag{hist: hdrhistogram.New(minLatency, maxLatency, 2)}
}

// round records that n sockets were served until now and may have been ready
// since.
func (l *readLag) round(since, now int64, n int) {
	if n <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.hist.RecordValues(min(max((now-since)/1000, minLatency), maxLatency), int64(n))
}

func (l *readLag) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hist.Reset()
	l.waited = threadWaited(l.tid.Load())
}

// end says what was recorded since begin, that many seconds ago.
func (l *readLag) end(seconds float64) Own {
	l.mu.Lock()
	defer l.mu.Unlock()
	waited := threadWaited(l.tid.Load()) - l.waited
	return Own{ReadP99: float64(l.hist.ValueAtQuantile(99)) / 1000, Waited: waited.Seconds() / seconds}
}

// threadWaited is how long a thread of this process has been ready without a
// core; 0 where the kernel does not say.
func threadWaited(tid int64) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", tid))
	if err != nil {
		return 0
	}
	f := bytes.Fields(b) // ran, waited, times
	if len(f) < 2 {
		return 0
	}
	ns, _ := strconv.ParseInt(string(f[1]), 10, 64)
	return time.Duration(ns)
}

// late is how late the calls of an open loop were made.
type late struct {
	giveUp atomic.Int64 // nanoseconds since 1970: later calls are not made; 0 = never
	unsent atomic.Int64

	mu   sync.Mutex
	hist *hdrhistogram.Histogram // guarded by mu; microseconds
}

func newLate() *late {
	return &late{hist: hdrhistogram.New(minLatency, maxLatency, 2)}
}

// record takes in a call that was meant for at; false if nobody waits for it
// any more.
func (l *late) record(at, now int64) bool {
	if end := l.giveUp.Load(); end != 0 && now > end {
		l.unsent.Add(1)
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.hist.RecordValue(min(max((now-at)/1000, minLatency), maxLatency))
	return true
}

// p99 in milliseconds.
func (l *late) p99() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(l.hist.ValueAtQuantile(99)) / 1000
}
