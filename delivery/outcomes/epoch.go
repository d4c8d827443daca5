package outcomes

import (
	"context"
	"time"
)

// formerEvery is how often a partition of a next epoch looks whether the former
// one has been told to its end.
const formerEvery = time.Second

// former waits until the group has told what the epoch before has of outcomes:
// the order of each user goes across both.
func (w *worker) former(ctx context.Context) error {
	for {
		over, err := w.p.FormerRead(ctx)
		if err != nil || over {
			return err
		}
		w.p.Working(true) // nothing is wrong: the epoch has not begun here
		select {
		case <-time.After(formerEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
