package gate

import (
	"context"
	"sync"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// TestUplinksKeepTheirOrder: while the app's topic is away everything is
// refused; when it is back the SDK's uplinks arrive once, in order, on the same
// connection.
func TestUplinksKeepTheirOrder(t *testing.T) {
	const uplinks = 20
	w := newWorld(t)
	g := w.start(2)
	topic := eventlog.UplinkTopic("freight")
	arrived := w.follow(topic)
	c, err := client.New(client.Config{
		Addresses: []string{g.Addr()},
		Token:     func(context.Context) (string, error) { return token(t, "ann", "phone", time.Now().Add(time.Hour)), nil },
		Handler:   func(context.Context, client.Push) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running, sending sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	w.await(w.events, schemas.Kind_KIND_CONNECTED)

	w.faults.Fail(topic, eventlog.AllPartitions, errAway)
	for range uplinks {
		sending.Go(func() {
			if err := c.Send(w.within(), 7, 0x0100, []byte("here")); err != nil {
				t.Errorf("send: %v", err)
			}
		})
	}
	for began := time.Now(); g.metrics.uplinksRefused.Load() < uplinks; {
		if rest(t.Context(), time.Millisecond); time.Since(began) > patience {
			t.Fatal("the uplinks are not refused")
		}
	}
	w.faults.Clear()
	sending.Wait()
	last := uint64(0)
	for range uplinks {
		u := w.await(arrived, schemas.Kind_KIND_UPLINKED).Uplinked
		if u.Sequence <= last {
			t.Errorf("sequence %d arrived after %d", u.Sequence, last)
		}
		last = u.Sequence
	}
	if g.numbers.Load() != 1 {
		t.Errorf("it took %d connections", g.numbers.Load())
	}
}
