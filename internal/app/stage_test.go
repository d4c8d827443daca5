package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
)

// TestSeveralStages: one of them that ends by itself is told from a drain.
func TestSeveralStages(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		ends error  // of the second stage
		want string // of Failed
	}{{nil, "second ended by itself"}, {broken, "second: broken"}} {
		end := make(chan struct{})
		start := func(name string, part func(context.Context) error) *Running {
			s := &Stage{Name: name, base: Base{Logger: slog.New(slog.DiscardHandler)}, parts: []func(context.Context) error{part}}
			r := s.Start(context.WithoutCancel(t.Context()))
			t.Cleanup(func() { _ = r.Stop() })
			return r
		}
		all := []*Running{
			start("first", func(ctx context.Context) error { <-ctx.Done(); return nil }),
			start("second", func(context.Context) error { <-end; return c.ends }),
		}
		ctx, drain := context.WithCancel(t.Context())
		drain()
		if err := Failed(ctx, all); err != nil {
			t.Errorf("nothing has ended, and it says %v", err)
		}
		close(end)
		if err := Failed(t.Context(), all); err == nil || err.Error() != c.want || c.ends != nil && !errors.Is(err, c.ends) {
			t.Errorf("%v, want %q", err, c.want)
		}
		_ = all[0].Stop()
		if err := Standing(all); err == nil || err.Error() != "first has ended; second has ended" {
			t.Errorf("they stand as %v", err)
		}
	}
}
