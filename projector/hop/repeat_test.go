package hop

import (
	"context"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
)

// TestWhatTheMarksOfAFlushSay: the flush is of partitions 0 and 1, from offset
// 10 to 20 each; partition 0 has its mark.
func TestWhatTheMarksOfAFlushSay(t *testing.T) {
	members := []stretch{{eventlog.EventsTopic, 0, 10, 20}, {eventlog.EventsTopic, 1, 10, 20}}
	serials := func() state { return state{serials: new(eventlog.Serials)} }
	flush := mark{state: serials(), token: token{1}, members: members}
	for _, test := range []struct {
		name     string
		first    int64 // of partition 1
		other    mark
		found    finding
		doubtful int
	}{
		{"both have it", 10, flush, inDoubt, 2},
		{"the other has gone on", 20, mark{state: serials()}, goneOn, 1},
		{"the other is in a later one", 20, mark{state: serials(), token: token{2}, members: []stretch{{eventlog.EventsTopic, 1, 20, 30}}}, goneOn, 1},
		{"the other never got it", 10, mark{state: serials()}, halfStored, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			withMember(t, func(ctx context.Context, zero, one *eventlog.Partition) {
				commits := []eventlog.GroupCommit{{Partition: zero, Offset: 10, Metadata: flush.encode()}, {Partition: one, Offset: test.first, Metadata: test.other.encode()}}
				if err := eventlog.CommitTogether(ctx, commits); err != nil {
					t.Fatal(err)
				}
				doubtful, found, err := new(repeats).marks(ctx, zero, flush)
				if err != nil || found != test.found || len(doubtful) != test.doubtful {
					t.Errorf("found %d, %d in doubt, %v; want %d, %d", found, len(doubtful), err, test.found, test.doubtful)
				}
			})
		})
	}
}

// withMember calls with two partitions of a group that has no other member.
func withMember(t *testing.T, call func(ctx context.Context, zero, one *eventlog.Partition)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	log, err := eventlog.Open(eventlog.Config{Brokers: kafka.Addrs(), Node: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.CreateTopics(ctx, eventlog.Specs(2, 1, -1)); err != nil {
		t.Fatal(err)
	}
	member, leave := context.WithCancel(ctx)
	given, done := make(chan *eventlog.Partition, 2), make(chan error, 1)
	go func() {
		done <- log.Join(member, eventlog.GroupConfig{Group: Group, Topics: []string{eventlog.EventsTopic}, Serve: func(ctx context.Context, p *eventlog.Partition) error {
			given <- p
			<-ctx.Done()
			return nil
		}})
	}()
	var both [2]*eventlog.Partition
	for range both {
		p := <-given
		both[p.Number()] = p
	}
	call(ctx, both[0], both[1])
	leave()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
