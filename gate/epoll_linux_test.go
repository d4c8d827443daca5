package gate

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLoopReadsOnceATurn: a device that writes faster than it is read gets one
// read in each turn, however often the kernel tells of it.
func TestLoopReadsOnceATurn(t *testing.T) {
	g := newTestGate(t, deafFacts{})
	l, err := newLoop(g)
	if err != nil {
		t.Fatal(err)
	}
	defer l.epoll.Close()
	defer l.closeAll()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	l.add(pair[0], netip.AddrPort{})
	c := l.socket(pair[0]).conn
	buf, flood := &readBuffer{loop: l}, make([]byte, readSize)
	for turn := range uint64(10) {
		for err = nil; err == nil; {
			_, err = unix.Write(pair[1], flood)
		}
		if _, err := l.turn(buf); err != nil {
			t.Fatal(err)
		}
		if got, want := c.traffic.bytesIn, (turn+1)*readSize; got != want {
			t.Fatalf("after turn %d %d bytes are read, want %d", turn, got, want)
		}
	}
}
