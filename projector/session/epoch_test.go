package session

import (
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// begins is what the projector says when it has carried the rows over.
const begins = "the next epoch begins with the rows of the former"

// grow seals the log's partitions and goes on with so many.
func (w *world) grow(partitions int32) {
	w.t.Helper()
	if err := w.log.Grow(within(w.t), eventlog.GrowConfig{Partitions: partitions, Replication: 1, Ask: time.Millisecond}); err != nil {
		w.t.Fatal(err)
	}
}

// appendTo puts the user's events into the topic.
func (w *world) appendTo(topic string, events ...mailboxtest.Entry) {
	w.t.Helper()
	for _, e := range events {
		value, err := e.Event.MarshalVT()
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Event.User == "" {
			continue
		}
		r := eventlog.Record{Topic: topic, Partition: eventlog.ByKey, Key: schemas.Key(e.Event.App, e.Event.User), Value: value}
		if err := w.app.Append(r, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	w.settle()
}

// foldEpochs is what the rows of the second epoch must say, by partition.
func (w *world) foldEpochs(former, partitions int32) []*mailbox.State {
	w.t.Helper()
	states := make([]*mailbox.State, partitions)
	for n := range states {
		states[n] = mailbox.New()
	}
	place := eventlog.PartitionsOf(partitions)
	for n := range former {
		state, _ := w.fold(n)
		for key, u := range state.Users {
			states[place([]byte(key))].Users[key] = u
		}
	}
	for n, state := range states {
		w.readTopic(eventlog.EventsOf(1), int32(n), func(e eventlog.Entry) { state.Apply(e.Position, e.Time, e.Event) })
	}
	return states
}

// agreeInNext checks the rows of the second epoch.
func (w *world) agreeInNext(dsn string, former, partitions int32) {
	w.t.Helper()
	pool := pgtest.Pool(w.t, dsn)
	for n, want := range w.foldEpochs(former, partitions) {
		got, err := snapshot.Load(within(w.t), pool, eventlog.EventsOf(1), int32(n))
		if err != nil {
			w.t.Fatal(err)
		}
		if diff := mailboxtest.Diff(want, got.State, true); diff != "" {
			w.t.Errorf("partition %d of the next epoch:\n%s", n, diff)
		}
	}
}

// TestNextEpoch: rows end at the seals whatever stands behind, go over to the new
// partitions, and go on there; a replay says the same.
func TestNextEpoch(t *testing.T) {
	w := newWorld(t, 2)
	random := mailboxtest.NewLog(4)
	random.Users = 12
	p := w.prepare().start()
	w.appendTo(eventlog.EventsTopic, random.Take(500)...)
	w.grow(3)
	w.appendTo(eventlog.EventsTopic, random.Take(50)...) // behind the seals
	p.said.until(begins)
	w.appendTo(eventlog.EventsOf(1), random.Take(500)...)
	p.untilAll(3)
	p.end()
	w.agreeInNext(w.dsn, 2, 3)

	pgtest.Empty(t, w.dsn)
	pgtest.Migrate(t, w.dsn)
	p = w.prepare().start()
	p.said.until(begins)
	p.untilAll(3)
	p.end()
	w.agreeInNext(w.dsn, 2, 3)
}

// TestNextEpochBegunAnew: Kafka's directory was lost after the log had grown. What
// was carried over goes, and the first epoch begins anew.
func TestNextEpochBegunAnew(t *testing.T) {
	old := newWorld(t, 2)
	p := old.prepare().start()
	random := mailboxtest.NewLog(5)
	random.Users = 12
	old.appendTo(eventlog.EventsTopic, random.Take(500)...)
	old.grow(5)
	p.said.until(begins)
	p.end()

	w := newLog(t, 2)
	w.dsn = old.dsn
	w.appendTo(eventlog.EventsTopic, mailboxtest.NewLog(6).Take(200)...)
	p = w.prepare().start()
	for n := range int32(2) {
		_, next := w.fold(n)
		p.until(n, next)
	}
	p.end()
	pool := pgtest.Pool(t, w.dsn)
	for n := range int32(2) {
		w.agrees(pool, n)
	}
	var places, beyond int
	row := pool.QueryRow(t.Context(), "SELECT count(*), (SELECT count(*) FROM devices WHERE partition >= 2) FROM projection")
	if err := row.Scan(&places, &beyond); err != nil || places != 2 || beyond != 0 {
		t.Errorf("%d partitions have a place, want 2; %d devices are beyond (%v)", places, beyond, err)
	}
}

// TestFormerEpochIsGone: Postgres was lost when the retention of the former epoch
// was over, seals and all. The next one does not wait for it.
func TestFormerEpochIsGone(t *testing.T) {
	w := newWorld(t, 2)
	random := mailboxtest.NewLog(7)
	random.Users = 12
	w.appendTo(eventlog.EventsTopic, random.Take(100)...)
	w.grow(3)
	w.trim(2)
	w.appendTo(eventlog.EventsOf(1), random.Take(100)...)
	p := w.prepare().start()
	p.said.until(begins)
	p.untilAll(3)
	p.end()
	w.agreeInNext(w.dsn, 0, 3)
}

// trim lets the first epoch's retention be over.
func (w *world) trim(partitions int32) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	all := make(kadm.Offsets)
	for n := range partitions {
		all.AddOffset(eventlog.EventsTopic, n, w.readTopic(eventlog.EventsTopic, n, func(eventlog.Entry) {}), -1)
	}
	if _, err := kadm.NewClient(client).DeleteRecords(within(w.t), all); err != nil {
		w.t.Fatal(err)
	}
}

// untilAll waits until the second epoch's partitions are stored up to their ends.
func (r *running) untilAll(partitions int32) {
	r.w.t.Helper()
	for n := range partitions {
		r.untilPlace(eventlog.EventsOf(1), n, r.w.readTopic(eventlog.EventsOf(1), n, func(eventlog.Entry) {}))
	}
}
