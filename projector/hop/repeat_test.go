package hop

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/schemas"
)

// TestWhatTheMarksOfAFlushSay: the flush is of partitions 0 and 1, from offset
// 10 to 20 each; partition 0 has its mark.
func TestWhatTheMarksOfAFlushSay(t *testing.T) {
	members := []stretch{{eventlog.EventsTopic, 0, 10, 20}, {eventlog.EventsTopic, 1, 10, 20}}
	serials := func() state { return state{serials: new(eventlog.Serials)} }
	flush := mark{state: serials(), token: token{1}, members: members}
	later := mark{state: serials(), token: token{2}, members: []stretch{{eventlog.EventsTopic, 1, 20, 30}}}
	withMembers(t, func(ctx context.Context, _ *eventlog.Log, of []*eventlog.Partition) {
		for _, test := range []struct {
			name     string
			first    int64 // of partition 1
			other    mark
			doubtful int
		}{
			{"both have it", 10, flush, 2},
			{"the other has gone on", 20, mark{state: serials()}, 1},
			{"the other is in a later one", 20, later, 1},
			{"the other never got it", 10, mark{state: serials()}, 1},
			{"the other never got it, and has gone on", 15, mark{state: serials()}, 1},
		} {
			commitMarks(t, ctx, of, map[int]placedMark{0: {10, flush}, 1: {test.first, test.other}})
			doubtful, err := new(repeats).marks(ctx, of[0], flush)
			if err != nil || len(doubtful) != test.doubtful || doubtful[0].stretch != members[0] {
				t.Errorf("%s: in doubt are %v, %v; want %d", test.name, doubtful, err, test.doubtful)
			}
		}
	})
}

// TestAFlushStoredInHalf: the brokers refused the mark for partition 1 alone,
// so the flush was never inserted. Whenever that goes on, with a flush of its
// own, and whoever of the others asks first, all rows of theirs are there once.
func TestAFlushStoredInHalf(t *testing.T) {
	w, db := newTestWriter(t)
	m, err := newMetrics(noop.Meter{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(w.to, slog.New(slog.DiscardHandler), m)
	withMembers(t, func(ctx context.Context, log *eventlog.Log, of []*eventlog.Partition) {
		for i, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {2, 1, 0}} {
			flush := mark{state: state{serials: new(eventlog.Serials)}, token: token{byte(i + 1)}, members: appendDays(t, log, len(of))}
			commitMarks(t, ctx, of, map[int]placedMark{
				0: {flush.members[0].first, flush},
				1: {flush.members[1].first, mark{state: flush.state}},
				2: {flush.members[2].first, flush},
			})
			for _, n := range order {
				own := flush.members[n]
				if n == 1 {
					commitMarks(t, ctx, of, map[int]placedMark{1: {own.next, mark{state: flush.state}}})
					continue
				}
				r := &repeats{log: log, sink: s} // of another process
				if next, _, err := r.repeat(ctx, of[n], own.first, flush); err != nil || next != own.next {
					t.Fatalf("order %v: partition %d goes on at %d, %v; want %d", order, n, next, err, own.next)
				}
			}
			checkDays(t, db, order, int64(i+1))
		}
	})
}

// appendDays appends for each partition two pushes and two releases; those of
// partition 0 are of two days, which ClickHouse keeps apart.
func appendDays(t *testing.T, log *eventlog.Log, partitions int) []stretch {
	t.Helper()
	a, err := log.NewAppender(eventlog.AppenderConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	all := make([]stretch, partitions)
	for n, user := range usersOf(t, a, partitions) {
		for i := range 4 {
			e := dayEvent(i, user)
			if n == 0 && i < 2 {
				e.Time -= (24 * time.Hour).Microseconds()
			}
			got := appendEvent(t, a, e)
			if i == 0 {
				all[n] = stretch{topic: got.Topic, partition: got.Partition, first: got.Position.Offset()}
			}
			all[n].next = got.Position.Offset() + 1
		}
	}
	return all
}

// usersOf finds a user of each partition, by events that have no rows.
func usersOf(t *testing.T, a *eventlog.Appender, partitions int) map[int32]string {
	t.Helper()
	users := make(map[int32]string)
	for i := 0; len(users) < partitions; i++ {
		user := fmt.Sprint("user-", i)
		users[appendEvent(t, a, &schemas.Event{Kind: schemas.Kind_KIND_TICK, App: "freight", User: user}).Partition] = user
	}
	return users
}

func appendEvent(t *testing.T, a *eventlog.Appender, e *schemas.Event) eventlog.Appended {
	t.Helper()
	value, err := e.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.AppendWait(t.Context(), eventlog.Record{Topic: eventlog.EventsTopic, Partition: eventlog.ByKey, Key: schemas.Key(e.App, e.User), Value: value})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func dayEvent(i int, user string) *schemas.Event {
	e := &schemas.Event{App: "freight", User: user, Time: time.Now().UnixMicro(), Kind: schemas.Kind_KIND_PUSHED}
	if i%2 == 1 {
		e.Kind, e.Released = schemas.Kind_KIND_RELEASED, &schemas.Released{Position: 1}
		return e
	}
	e.Pushed = &schemas.Pushed{Ttl: 60_000}
	return e
}

// checkDays wants the rows of so many flushes, of the partitions 0 and 2 only.
func checkDays(t *testing.T, db *sql.DB, order []int, flushes int64) {
	t.Helper()
	for query, want := range map[string]int64{
		"SELECT toInt64(count()) FROM hop_rows WHERE kind = 'released'":                                                  4,
		"SELECT toInt64(count(DISTINCT partition, place)) FROM hop_rows WHERE partition IN (0, 2) AND kind = 'released'": 4,
		"SELECT toInt64(count()) FROM pushes":                                                                            4,
		"SELECT toInt64(sum(accepted)) FROM funnel":                                                                      4,
	} {
		var got int64
		if err := db.QueryRowContext(t.Context(), query).Scan(&got); err != nil || got != want*flushes {
			t.Errorf("order %v: %s: %d, %v; want %d", order, query, got, err, want*flushes)
		}
	}
}

// placedMark is what the group has of a partition.
type placedMark struct {
	offset int64
	mark   mark
}

func commitMarks(t *testing.T, ctx context.Context, of []*eventlog.Partition, marks map[int]placedMark) {
	t.Helper()
	var commits []eventlog.GroupCommit
	for n, m := range marks {
		commits = append(commits, eventlog.GroupCommit{Partition: of[n], Offset: m.offset, Metadata: encoded(t, m.mark)})
	}
	if err := eventlog.CommitTogether(ctx, commits); err != nil {
		t.Fatal(err)
	}
}

// withMembers calls with three partitions of a group that has no other member.
func withMembers(t *testing.T, call func(ctx context.Context, log *eventlog.Log, of []*eventlog.Partition)) {
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
	if err := log.CreateTopics(ctx, eventlog.Specs(3, 1, -1)); err != nil {
		t.Fatal(err)
	}
	member, leave := context.WithCancel(ctx)
	defer leave()
	all := make([]*eventlog.Partition, 3)
	given, done := make(chan *eventlog.Partition, len(all)), make(chan error, 1)
	go func() {
		done <- log.Join(member, eventlog.GroupConfig{Group: Group, Topics: []string{eventlog.EventsTopic}, Serve: func(ctx context.Context, p *eventlog.Partition) error {
			given <- p
			<-ctx.Done()
			return nil
		}})
	}()
	for range all {
		p := <-given
		all[p.Number()] = p
	}
	call(ctx, log, all)
	leave()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
