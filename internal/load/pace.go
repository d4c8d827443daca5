package load

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Slack of the kernel's timers: ours while pacing, its default afterwards.
const (
	fineSlack    = 1_000  // ns
	defaultSlack = 50_000 // ns
)

// pace says when calls are due: the time that each was meant for, never the
// time at which somebody got round to it. It closes due at the end. It sleeps in
// the kernel, because the runtime's timers are a millisecond coarse while a
// process idles.
func pace(ctx context.Context, every time.Duration, due chan<- int64) {
	defer close(due)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, fineSlack, 0, 0, 0) // without it calls are a little later
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, defaultSlack, 0, 0, 0) }()
	at := time.Now()
	for ctx.Err() == nil {
		at = at.Add(every)
		if d := time.Until(at); d > 0 {
			ts := unix.NsecToTimespec(int64(d))
			_ = unix.Nanosleep(&ts, nil) // a signal only makes the next one earlier
		}
		select {
		case due <- at.UnixNano():
		case <-ctx.Done():
		}
	}
}
