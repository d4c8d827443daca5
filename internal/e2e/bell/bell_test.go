package bell

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestAwait looks again at each ring, and at nothing else.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bell
		looks := 0
		done := make(chan error, 1)
		go func() {
			done <- b.Await(t.Context(), func() bool { looks++; return looks == 3 })
		}()
		for want := 1; want <= 2; want++ {
			synctest.Wait()
			if looks != want {
				t.Errorf("%d looks after %d rings", looks, want-1)
			}
			b.Ring()
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWaitsEnd with their context, and say why; a poll says what it heard last.
func TestWaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late, away := errors.New("late"), errors.New("away")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, late)
		defer cancel()
		if err := new(Bell).Await(ctx, func() bool { return false }); !errors.Is(err, late) {
			t.Errorf("await: %v, want the cause", err)
		}
		asked := 0
		err := Poll(ctx, "it", func() error { asked++; return away })
		if !errors.Is(err, late) || !errors.Is(err, away) || asked == 0 {
			t.Errorf("poll: %v after %d questions, want the last error and the cause", err, asked)
		}
	})
}

// TestPollBrokenOff: the question that the end of the context breaks off does not
// hide what was heard before.
func TestPollBrokenOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	away, asked := errors.New("away"), 0
	err := Poll(ctx, "it", func() error {
		if asked++; asked == 1 {
			return away
		}
		cancel()
		return ctx.Err()
	})
	if !errors.Is(err, away) || asked != 2 {
		t.Errorf("poll: %v after %d questions, want the first error", err, asked)
	}
}
