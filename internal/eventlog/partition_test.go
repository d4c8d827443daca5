package eventlog

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// unfetched is a partition that no broker knows of.
func unfetched(t *testing.T, cfg Config) *Partition {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	m, err := newMetrics(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Partition{
		topic: EventsTopic, number: 1, ctx: t.Context(), r: &reader{log: &Log{cfg: cfg, metrics: m}},
		batches: make(chan Batch), wake: make(chan struct{}, 1),
	}
}

// records of so many bytes each.
func records(n, size int) []*kgo.Record {
	all := make([]*kgo.Record, n)
	for i := range all {
		all[i] = &kgo.Record{Value: make([]byte, size)}
	}
	return all
}

// Large records fill a queue by their bytes, long before they are many.
func TestHeavyQueueIsPaused(t *testing.T) {
	p := unfetched(t, Config{})
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p.r.client = client
	paused := func() bool { return len(client.PauseFetchPartitions(nil)[EventsTopic]) == 1 }
	p.offer(fetched{records: records(16, pauseBytes/17)}, 0)
	if paused() {
		t.Fatal("paused before it is full")
	}
	p.offer(fetched{records: records(1, pauseBytes/8)}, 0)
	if !paused() {
		t.Fatal("not paused")
	}
	if p.take(16); paused() {
		t.Error("still paused though nearly empty")
	}
}

// A batch is of several fetches, and of a part of one.
func TestTakeCutsWhatWasFetched(t *testing.T) {
	p := unfetched(t, Config{})
	for _, n := range []int{2, 3, 9} {
		p.offer(fetched{records: records(n, 10)}, 0)
	}
	for step, want := range []struct{ pieces, records, weight int }{{3, 6, 80}, {1, 6, 20}, {1, 2, 0}, {0, 0, 0}} {
		got, _ := p.take(6)
		if n := count(got); len(got) != want.pieces || n != want.records || p.weight != want.weight || p.queued != want.weight/10 {
			t.Errorf("step %d: %d records in %d pieces; %d left, %d bytes", step+1, n, len(got), p.queued, p.weight)
		}
	}
}

// A reader that takes nothing fills its own queue, and only it is paused.
func TestFullQueueIsPaused(t *testing.T) {
	p := unfetched(t, Config{})
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p.r.client = client
	paused := func() bool { return len(client.PauseFetchPartitions(nil)[EventsTopic]) == 1 }

	const each = 5_000
	for n := range pauseAt / each {
		if paused() {
			t.Fatalf("paused after %d records", n*each)
		}
		p.offer(fetched{records: records(each, 0)}, 0)
	}
	if !paused() {
		t.Fatal("a full queue is not paused")
	}
	for left := pauseAt; left > resumeAt; left -= each {
		if !paused() {
			t.Fatalf("resumed with %d records left", left)
		}
		got, _ := p.take(each)
		if len(got) != 1 {
			t.Fatalf("took %d fetches", len(got))
		}
	}
	if paused() {
		t.Error("a half empty queue is still paused")
	}
}

// What came before the offset left the log is read before it is placed anew.
func TestLostOffsetComesLast(t *testing.T) {
	p := unfetched(t, Config{})
	p.offer(fetched{records: records(3, 0)}, 0)
	p.lost()
	if got, reset := p.take(3); len(got) != 1 || reset {
		t.Fatalf("took %d fetches, reset %v", len(got), reset)
	}
	if got, reset := p.take(3); len(got) != 0 || !reset {
		t.Fatalf("took %d fetches, reset %v", len(got), reset)
	}
	if _, reset := p.take(3); reset {
		t.Error("reset a second time")
	}
}

// The watchdog speaks once for each time that a partition gets stuck, and not
// while the function says that it is alive.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Int64
		p := unfetched(t, Config{Stuck: time.Minute, OnStuck: func(topic string, partition int32, waiting time.Duration) {
			if topic != EventsTopic || partition != 1 || waiting < time.Minute {
				t.Errorf("%s/%d is stuck for %v", topic, partition, waiting)
			}
			stuck.Add(1)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		p.ctx = ctx
		d := newDecoder(p, 2, new(Serials))
		sent := make(chan bool)
		go func() { sent <- d.send(Batch{}) }()

		wait := func(d time.Duration, want int64) {
			t.Helper()
			time.Sleep(d) // of the bubble's clock
			synctest.Wait()
			if got := stuck.Load(); got != want {
				t.Errorf("stuck %d times, want %d", got, want)
			}
		}
		wait(50*time.Second, 0)
		p.Alive()
		wait(50*time.Second, 0)
		wait(10*time.Second, 1)
		wait(time.Hour, 1)
		<-p.batches
		if !<-sent {
			t.Error("the batch was taken and send says no")
		}
		go func() { sent <- d.send(Batch{}) }()
		wait(time.Minute, 2)
		cancel()
		if <-sent {
			t.Error("the context has ended and send says yes")
		}
	})
}
