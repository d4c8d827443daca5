package gate

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nowait makes one of the hot path's three system calls, none of which can
// block: they tell the runtime nothing (RawSyscall6), which would otherwise make
// ready to lend the processor to somebody else. They are send and recv, not
// write and read, which go through what the kernel does for files. Together that
// takes a tenth off a push (BenchmarkDevices, 1,000 devices).
//
// All three take a descriptor, memory, its length and one number; the memory is
// alive until the call returns, since the conversion stands in it.
func nowait(call uintptr, fd int, memory unsafe.Pointer, length, flags int) (int, error) {
	for {
		n, _, no := unix.RawSyscall6(call, uintptr(fd), uintptr(memory), uintptr(length), uintptr(flags), 0, 0)
		switch no {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, no
		}
	}
}

// write is what the kernel takes now; 0 when its buffer is full.
func write(fd int, b []byte) (int, error) {
	n, err := nowait(unix.SYS_SENDTO, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return n, err
}

// read is one read; 0 bytes are the peer's end.
func read(fd int, b []byte) (int, error) {
	return nowait(unix.SYS_RECVFROM, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b), unix.MSG_DONTWAIT)
}

// epollWait is what is ready now: its number is the time to wait.
func epollWait(fd int, events []unix.EpollEvent) (int, error) {
	return nowait(unix.SYS_EPOLL_PWAIT, fd, unsafe.Pointer(unsafe.SliceData(events)), len(events), 0)
}
