package crash

import (
	"context"
	"fmt"
	"time"
)

// poll asks until there is no error: for what nobody rings a bell for, such as
// the rows of a database.
func poll(ctx context.Context, what string, question func() error) error {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		err := question()
		if err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", what, err, context.Cause(ctx))
		}
	}
}

// pause lets the time of the plan pass.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
