package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"waybill/internal/engine"
	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
	"waybill/schemas"

	"github.com/jackc/pgx/v5/pgxpool"
)

// patience is for what must come; no test waits for it when all is well.
const patience = 30 * time.Second

// world is a broker with a log, and a schema.
type world struct {
	t   testing.TB
	log *eventlog.Log
	app *eventlog.Appender
	dsn string

	brokers []string
}

func newWorld(t testing.TB, partitions int32) *world {
	t.Helper()
	w := newLog(t, partitions)
	w.dsn = pgtest.Migrated(t)
	return w
}

// newLog is a world without a database.
func newLog(t testing.TB, partitions int32) *world {
	t.Helper()
	kafka, err := engine.StartKafka(engine.KafkaConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kafka.Close() })
	w := &world{t: t, brokers: kafka.Addrs()}
	if w.log, err = eventlog.Open(eventlog.Config{Brokers: kafka.Addrs()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.log.Close)
	if err := w.log.CreateTopics(within(t), eventlog.Specs(partitions, 1, 1)); err != nil {
		t.Fatal(err)
	}
	if w.app, err = w.log.NewAppender(eventlog.AppenderConfig{Linger: 2 * time.Millisecond, MaxPerPartition: 1 << 20, MaxBytesPerPartition: 1 << 30, Deadline: patience}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.app.Close)
	return w
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// append puts events into the log and waits for that.
func (w *world) append(events ...*schemas.Event) {
	w.t.Helper()
	for _, e := range events {
		w.appendThen(e, nil)
	}
	w.settle()
}

// appendThen puts one event into the log, without a user into partition 0.
func (w *world) appendThen(e *schemas.Event, then func(schemas.Position)) {
	w.t.Helper()
	value, err := e.MarshalVT()
	if err != nil {
		w.t.Fatal(err)
	}
	r := eventlog.Record{Topic: eventlog.EventsTopic, Partition: 0, Value: value}
	if e.User != "" {
		r.Key, r.Partition = schemas.Key(e.App, e.User), eventlog.ByKey
	}
	err = w.app.Append(r, func(at eventlog.Appended, err error) {
		if err != nil {
			w.t.Error(err)
		}
		if then != nil {
			then(at.Position)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// settle waits for what was appended.
func (w *world) settle() {
	w.t.Helper()
	if err := w.app.Flush(within(w.t)); err != nil {
		w.t.Fatal(err)
	}
}

// random appends n random events.
func (w *world) random(log *mailboxtest.Log, n int) {
	w.t.Helper()
	var events []*schemas.Event
	for _, e := range log.Take(n) {
		events = append(events, e.Event)
	}
	w.append(events...)
}

// fold reads the partition to its end and folds it, and nothing else: what the
// rows must say.
func (w *world) fold(partition int32) (*mailbox.State, int64) {
	w.t.Helper()
	state := mailbox.New()
	next := w.read(partition, func(e eventlog.Entry) { state.Apply(e.Position, e.Time, e.Event) })
	return state, next
}

// read hands out the partition's entries to its end, and says where that is.
func (w *world) read(partition int32, each func(eventlog.Entry)) (next int64) {
	w.t.Helper()
	return w.readTopic(eventlog.EventsTopic, partition, each)
}

func (w *world) readTopic(topic string, partition int32, each func(eventlog.Entry)) (next int64) {
	w.t.Helper()
	serve := func(ctx context.Context, p *eventlog.Partition) error {
		end, err := p.End(ctx)
		if err != nil {
			return err
		}
		if err := p.Start(eventlog.FromStart, nil); err != nil {
			return err
		}
		for next < end {
			b, err := p.Next(ctx)
			if err != nil {
				return err
			}
			for _, e := range b.Entries {
				each(e)
			}
			next = b.Next
		}
		return nil
	}
	err := w.log.Follow(within(w.t), eventlog.FollowConfig{Topic: topic, Partitions: []int32{partition}, Serve: serve})
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// stood is a partition whose rows stand somewhere.
type stood struct {
	topic     string
	partition int32
}

// running is a projector at work.
type running struct {
	*Projector
	w    *world
	stop context.CancelFunc
	done chan error
	said *says

	mu     sync.Mutex
	next   map[stood]int64
	moved  chan struct{} // closed and made anew with every flush
	stored int
}

// prepare makes a projector that can be started.
func (w *world) prepare() *running {
	w.t.Helper()
	said := newSays(w.t)
	p, err := New(Config{Log: w.log, DSN: w.dsn, Flush: 20 * time.Millisecond, Logger: slog.New(said)})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &running{Projector: p, w: w, done: make(chan error, 1), said: said, next: make(map[stood]int64), moved: make(chan struct{})}
	p.hooks.stored = r.flushed
	return r
}

func (r *running) flushed(c *snapshot.Cut) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next[stood{c.Topic, c.Partition}] = c.To
	r.stored++
	close(r.moved)
	r.moved = make(chan struct{})
}

func (r *running) start() *running {
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() { r.done <- r.Run(ctx) }()
	r.w.t.Cleanup(r.end)
	return r
}

// end stops the projector, which flushes once more.
func (r *running) end() {
	r.stop()
	select {
	case err := <-r.done:
		r.done <- nil
		if err != nil {
			r.w.t.Error(err)
		}
	case <-time.After(patience):
		r.w.t.Error("the projector does not end")
	}
}

// until waits for the partition to be stored up to the offset.
func (r *running) until(partition int32, next int64) {
	r.w.t.Helper()
	r.untilPlace(eventlog.EventsTopic, partition, next)
}

func (r *running) untilPlace(topic string, partition int32, next int64) {
	r.w.t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		at, moved := r.next[stood{topic, partition}], r.moved
		r.mu.Unlock()
		if at >= next {
			return
		}
		select {
		case <-moved:
		case <-deadline:
			r.w.t.Fatalf("partition %d is stored up to %d, not %d", partition, at, next)
		}
	}
}

// agrees checks that the partition's rows are the fold of its log.
func (w *world) agrees(pool *pgxpool.Pool, partition int32) {
	w.t.Helper()
	want, next := w.fold(partition)
	s, err := snapshot.Load(within(w.t), pool, eventlog.EventsTopic, partition)
	if err != nil {
		w.t.Fatal(err)
	}
	if diff := mailboxtest.Diff(want, s.State, true); diff != "" {
		w.t.Errorf("partition %d: the rows are not the fold:\n%s", partition, diff)
	}
	if s.Next != next && next > 0 {
		w.t.Errorf("partition %d: the rows are as of %d, not %d", partition, s.Next, next)
	}
}

// says keeps messages of the log, so that a test can wait for one and count it.
type says struct {
	t    testing.TB
	mu   sync.Mutex
	said []string
	news chan struct{}
}

func newSays(t testing.TB) *says { return &says{t: t, news: make(chan struct{})} }

func (s *says) Enabled(context.Context, slog.Level) bool { return true }
func (s *says) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s *says) WithGroup(string) slog.Handler            { return s }

func (s *says) Handle(_ context.Context, r slog.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, r.Message)
	close(s.news)
	s.news = make(chan struct{})
	return nil
}

func (s *says) count(message string) (n int, news chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.said {
		if m == message {
			n++
		}
	}
	return n, s.news
}

func (s *says) until(message string) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		n, news := s.count(message)
		if n > 0 {
			return
		}
		select {
		case <-news:
		case <-deadline:
			s.t.Fatalf("nobody said %q", message)
		}
	}
}

var errKilled = errors.New("killed")
