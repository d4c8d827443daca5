package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestOverlap: a function whose partition was taken away goes on reading while
// another member's has begun, commits nothing, and ends by itself.
func TestOverlap(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	enough := make(chan struct{})
	took := make(chan *Partition, 4)
	ended := make(chan *Partition, 4)
	first := overlapping(t, l, func(ctx context.Context, p *Partition) error {
		if err := p.Start(FromStart, nil); err != nil {
			return err
		}
		took <- p
		defer func() { ended <- p }()
		select {
		case <-p.Revoked():
		case <-ctx.Done():
			return nil
		}
		must(t, a, event(userOf(int(p.Number())), 7)) // appended after the revocation
		for {
			select {
			case <-p.Batches():
				if err := p.Commit(within(t), 1, ""); !errors.Is(err, ErrLost) {
					t.Errorf("a commit after the partition was taken away: %v", err)
				}
				<-enough
				return errors.New("nothing calls it again")
			case <-ctx.Done():
				t.Error("its time is over")
				return nil
			}
		}
	})
	signal(t, took, "a partition")
	signal(t, took, "the other partition")
	second := join(t, l, func(*Partition, Batch) error { return nil })
	moved := signal(t, second.given, "a partition of the second reader")
	close(enough)
	if p := signal(t, ended, "the former function's end"); p.Number() != moved.Number() {
		t.Errorf("the function of %d ended, %d was taken away", p.Number(), moved.Number())
	}
	first()
	second.stop()
}

func overlapping(t *testing.T, l *Log, serve PartitionFunc) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- l.Join(ctx, GroupConfig{
			Group: "readers", Topics: []string{EventsTopic}, Session: 2 * time.Second, Heartbeat: 100 * time.Millisecond,
			Overlap: time.Minute, Serve: serve,
		})
	}()
	return func() {
		cancel()
		if err := signal(t, done, "end of Join"); err != nil {
			t.Error(err)
		}
	}
}
