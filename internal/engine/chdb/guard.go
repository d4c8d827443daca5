package chdb

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// A guard keeps the Go runtime's signal handlers in place. Opening a connection
// replaces the handlers of faults, and switching the library's own handlers off
// sets them to the system's default: either way the next nil dereference that
// Go would recover from ends the process. So every call that may touch them is
// run between a save and a restore.
type guard struct {
	sigaction func(signal int32, act, old unsafe.Pointer) int32
}

// actionSize is more than glibc's struct sigaction takes (152 bytes on amd64
// and arm64).
const actionSize = 256

func newGuard() (guard, error) {
	libc, err := purego.Dlopen("libc.so.6", purego.RTLD_NOW)
	if err != nil {
		return guard{}, fmt.Errorf("open libc: %w", err)
	}
	var g guard
	purego.RegisterLibFunc(&g.sigaction, libc, "sigaction")
	return g, nil
}

// guarded lists the signals that the library touches, and those that the Go
// runtime and the shutdown of the process rest on.
func guarded() []unix.Signal {
	return []unix.Signal{
		unix.SIGSEGV, unix.SIGABRT, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGSYS, unix.SIGTSTP,
		unix.SIGURG, unix.SIGPIPE, unix.SIGINT, unix.SIGTERM, unix.SIGPROF,
	}
}

// run calls f and then restores every disposition as it was.
func (g guard) run(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := guarded()
	saved := make([][actionSize]byte, len(signals))
	for i, s := range signals {
		g.sigaction(int32(s), nil, unsafe.Pointer(&saved[i]))
	}
	f()
	for i, s := range signals {
		g.sigaction(int32(s), unsafe.Pointer(&saved[i]), nil)
	}
}
