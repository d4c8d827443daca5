package eventlog

import (
	"errors"
	"testing"
	"time"

	"waybill/schemas"
)

// growing is a Grow with waits for a test.
func growing(partitions int32) GrowConfig {
	return GrowConfig{Partitions: partitions, Replication: 1, Ask: 300 * time.Millisecond, Gone: 5 * time.Second, Wait: patience}
}

// TestGrow: facts go on while the log grows twice; each former partition ends
// with its seal, and nothing stands behind it.
func TestGrow(t *testing.T) {
	l := startBroker(t).open(Config{Node: "test"})
	e := epochs(t, l)
	a := appender(t, l, AppenderConfig{Epochs: e})
	end, ended := make(chan struct{}), make(chan int)
	go func() { ended <- appendUntil(t, a, "u", end, 10) }()
	for epoch, partitions := range []int32{2, 4, 8} {
		if epoch == 0 {
			continue
		}
		if err := l.Grow(within(t), growing(partitions)); err != nil {
			t.Fatal(err)
		}
		now, err := l.Announced(within(t))
		if want := (Announced{uint16(epoch), partitions, true}); err != nil || now != want {
			t.Fatalf("announced is %+v (%v), want %+v", now, err, want)
		}
	}
	close(end)
	appended := <-ended
	if err := a.Flush(within(t)); err != nil {
		t.Fatal(err)
	}
	next := 1
	for epoch, partitions := range []int32{2, 4, 8} {
		next = checkSealed(t, l, uint16(epoch), partitions, next)
	}
	if next != appended+1 {
		t.Errorf("the log has %d facts, want %d", next-1, appended)
	}
}

// checkSealed: the epoch goes on with fact n, and each partition ends with a
// seal if there is a next one.
func checkSealed(t *testing.T, l *Log, epoch uint16, partitions int32, n int) int {
	t.Helper()
	for i := range partitions {
		at, err := l.span(t.Context(), EventsOf(epoch), i)
		if err != nil {
			t.Fatal(err)
		}
		if at.end == 0 {
			continue
		}
		got := follow(t, l, EventsOf(epoch), i, FromStart, nil).offset(at.end).Entries
		for j, x := range got {
			if x.Event.Kind == schemas.Kind_KIND_SEALED {
				if j != len(got)-1 || epoch == 2 {
					t.Errorf("%s/%d has a seal at %v, %d records behind it", EventsOf(epoch), i, x.Position, len(got)-1-j)
				}
				continue
			}
			if x.Event.Acked.Cursor != uint64(n) {
				t.Fatalf("%s/%d has fact %d at %v, want %d", EventsOf(epoch), i, x.Event.Acked.Cursor, x.Position, n)
			}
			n++
		}
	}
	return n
}

// TestGrowSealsNothingBeforeAllHaveMoved: an appender whose old partition takes
// nothing is waited for, and said; when it can move, the same call goes on.
func TestGrowSealsNothingBeforeAllHaveMoved(t *testing.T) {
	faults := new(Faults)
	b := startBroker(t)
	l := b.open(Config{Node: "gate-1", Faults: faults})
	e := epochs(t, l)
	a := appender(t, l, AppenderConfig{Epochs: e})
	faults.Hold(EventsTopic, AllPartitions)
	ends := make(chan error, 1)
	if err := a.Append(event("u", 1), func(_ Appended, err error) { ends <- err }); err != nil {
		t.Fatal(err)
	}
	operator := b.open(Config{Node: "migrate"})
	cfg := growing(4)
	cfg.Wait = 1500 * time.Millisecond
	if err := operator.Grow(within(t), cfg); !errors.Is(err, ErrNotMoved) {
		t.Fatalf("grown while gate-1 could not move: %v", err)
	}
	if err := operator.Grow(within(t), growing(8)); !errors.Is(err, ErrTopicDiffers) {
		t.Fatalf("grown to another number than is under way: %v", err)
	}
	faults.Clear()
	if err := operator.Grow(within(t), growing(4)); err != nil {
		t.Fatal(err)
	}
	if err := signal(t, ends, "the fact that was on its way"); err != nil {
		t.Error(err)
	}
}
