package eventlog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultsJoin(t *testing.T) {
	f := new(Faults)
	down, away := errors.New("down"), errors.New("away")
	f.Fail(EventsTopic, 1, down)
	f.Fail(EventsTopic, AllPartitions, away)
	if err := f.refusal(EventsTopic, 1); !errors.Is(err, down) || !errors.Is(err, away) {
		t.Errorf("partition 1: %v", err)
	}
	if err := f.refusal(EventsTopic, 0); errors.Is(err, down) || !errors.Is(err, away) {
		t.Errorf("partition 0: %v", err)
	}
	if f.touches(GatesTopic, 0) {
		t.Error("another topic has a fault")
	}
	f.Fail(EventsTopic, AllPartitions, nil)
	if f.touches(EventsTopic, 0) || !f.touches(EventsTopic, 1) {
		t.Error("the end of one fault ended, or kept, another")
	}
	f.Clear()
	if f.touches(EventsTopic, 1) || len(f.faults) != 0 {
		t.Error("a fault is left after Clear")
	}
	if err := (*Faults)(nil).pass(t.Context(), EventsTopic, 0, time.Time{}); err != nil {
		t.Errorf("no seam at all: %v", err)
	}
}

// What came is delayed from then on; a hold lasts until it is released; a
// change is noticed at once.
func TestPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(Faults)
		start := time.Now()
		pass := func(want time.Duration) {
			t.Helper()
			if err := f.pass(t.Context(), EventsTopic, 0, start); err != nil {
				t.Error(err)
			}
			if got := time.Since(start); got != want {
				t.Errorf("passed after %v, want %v", got, want)
			}
		}
		pass(0)
		f.Delay(EventsTopic, AllPartitions, time.Second)
		pass(time.Second)
		pass(time.Second)
		f.Hold(EventsTopic, 0)
		time.AfterFunc(time.Hour, func() { f.Release(EventsTopic, 0) })
		pass(time.Second + time.Hour)
		f.Fail(EventsTopic, 0, errors.New("down"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := f.pass(ctx, EventsTopic, 0, start); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a failing partition: %v", err)
		}
	})
}
