package eventlog

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"waybill/schemas"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// member joins the group of these tests; what it is given and what it reads go
// to channels.
type member struct {
	given chan *Partition
	taken chan *Partition
	stop  context.CancelFunc
	done  chan error
}

func join(t *testing.T, l *Log, read func(*Partition, Batch) error) *member {
	m := &member{given: make(chan *Partition, 20), taken: make(chan *Partition, 20), done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := signal(t, m.done, "end of Join"); err != nil {
			t.Error(err)
		}
	})
	go func() {
		m.done <- l.Join(ctx, GroupConfig{
			Group: "readers", Topics: []string{EventsTopic}, Session: 2 * time.Second, Heartbeat: 100 * time.Millisecond,
			Serve: func(ctx context.Context, p *Partition) error {
				defer func() { m.taken <- p }()
				from, _, err := p.Committed(ctx)
				if err != nil {
					return err
				}
				if from < 0 {
					from = FromStart
				}
				if err := p.Start(from, nil); err != nil {
					return err
				}
				m.given <- p
				for {
					b, err := p.Next(ctx)
					if err != nil {
						return nil
					}
					if err := read(p, b); err != nil {
						return err
					}
				}
			},
		})
	}()
	t.Cleanup(m.stop)
	return m
}

// committing reads, works and commits; it counts how often it saw each event.
type committing struct {
	t    *testing.T
	mu   sync.Mutex
	seen map[uint64]int
	want int
	all  chan struct{}
}

func (c *committing) read(p *Partition, b Batch) error {
	c.mu.Lock()
	for _, e := range b.Entries {
		c.seen[e.Event.Acked.Cursor]++
	}
	if len(c.seen) == c.want {
		c.want = 0
		close(c.all)
	}
	c.mu.Unlock()
	return p.Commit(within(c.t), b.Next, "after the work")
}

// Two readers share the partitions, one leaves, and every event was read, by
// whoever owned its partition, exactly once: both commit before they go.
func TestRebalance(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	c := &committing{t: t, seen: make(map[uint64]int), want: 300, all: make(chan struct{})}
	add := func(from, to int) {
		for n := from; n < to; n++ {
			must(t, a, event(userOf(n%2), n+1))
		}
	}
	first := join(t, l, c.read)
	signal(t, first.given, "a partition")
	signal(t, first.given, "the other partition")
	add(0, 100)
	second := join(t, l, c.read)
	signal(t, first.taken, "revocation")
	moved := signal(t, second.given, "a partition of the second reader")
	add(100, 200)
	first.stop()
	rest := signal(t, second.given, "the rest")
	if rest.Number() == moved.Number() {
		t.Errorf("partition %d was given twice", rest.Number())
	}
	add(200, 300)
	signal(t, c.all, "all events")
	second.stop()
	for n, times := range c.seen {
		if times != 1 {
			t.Errorf("event %d was read %d times", n, times)
		}
	}
	at, metadata, err := rest.Committed(within(t))
	if err != nil || at != 150 || metadata != "after the work" {
		t.Errorf("committed %d, %q, %v", at, metadata, err)
	}
}

// A function that outlives its tenure cannot commit: its own reader refuses, and
// without that the broker would, for a generation that has passed.
func TestCommitIsFenced(t *testing.T) {
	l := startBroker(t).open(Config{})
	first := join(t, l, func(*Partition, Batch) error { return nil })
	p := signal(t, first.given, "a partition")
	if err := p.Commit(within(t), 0, "mine"); err != nil {
		t.Fatal(err)
	}
	first.stop()
	if err := p.Commit(within(t), 7, "late"); !errors.Is(err, ErrLost) {
		t.Errorf("after its end: %v", err)
	}
	second := join(t, l, func(*Partition, Batch) error { return nil })
	q := signal(t, second.given, "a partition of the second reader")
	client, err := l.newReader(Fetch{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.close()
	old := &Partition{topic: q.topic, number: q.number, r: q.r, tenure: &tenure{g: &group{cfg: q.tenure.g.cfg, client: client.client}}}
	if err := old.Commit(within(t), 7, "no member"); !errors.Is(err, ErrLost) {
		t.Errorf("as no member: %v", err)
	}
	if at, metadata, err := p.Committed(within(t)); at != 0 && at != -1 || err != nil {
		t.Errorf("committed %d, %q, %v", at, metadata, err)
	}
}

// Several partitions are committed as one: all of them, or, once one of them is
// lost, none.
func TestCommitTogether(t *testing.T) {
	l := startBroker(t).open(Config{})
	first := join(t, l, func(*Partition, Batch) error { return nil })
	p, q := signal(t, first.given, "a partition"), signal(t, first.given, "the other one")
	if err := CommitTogether(within(t), []GroupCommit{{p, 1, "one"}, {q, 2, "two"}}); err != nil {
		t.Fatal(err)
	}
	second := join(t, l, func(*Partition, Batch) error { return nil })
	lost := signal(t, first.taken, "revocation")
	moved := signal(t, second.given, "the partition of the second reader")
	if err := CommitTogether(within(t), []GroupCommit{{p, 7, "late"}, {q, 7, "late"}}); !errors.Is(err, ErrLost) {
		t.Errorf("with a partition that is lost: %v", err)
	}
	if err := CommitTogether(within(t), []GroupCommit{{p, 7, "late"}, {moved, 7, "late"}}); !errors.Is(err, ErrNoGroup) && !errors.Is(err, ErrLost) {
		t.Errorf("with a partition of another member: %v", err)
	}
	for _, x := range []*Partition{p, q} {
		want := int64(1)
		if x == q {
			want = 2
		}
		if at, metadata, err := moved.CommittedOf(within(t), x.Topic(), x.Number()); at != want || err != nil {
			t.Errorf("committed %d, %q, %v; want %d (lost was %d)", at, metadata, err, want, lost.Number())
		}
	}
}

// A rebalance does not wait for ever for a function that does not return, and
// what it commits later is refused.
func TestRebalanceGoesOnWithoutTheStubborn(t *testing.T) {
	l := startBroker(t).open(Config{})
	given, release, ends := make(chan *Partition, 4), make(chan struct{}), make(chan error, 4)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- l.Join(ctx, GroupConfig{
			Group: "readers", Topics: []string{EventsTopic}, Heartbeat: 100 * time.Millisecond, RevokeWait: 10 * time.Millisecond,
			Serve: func(_ context.Context, p *Partition) error {
				given <- p
				<-release
				ends <- p.Commit(within(t), 7, "late")
				return nil
			},
		})
	}()
	for range 2 {
		signal(t, given, "a partition")
	}
	other := join(t, l, func(*Partition, Batch) error { return nil })
	signal(t, other.given, "a partition of the second reader")
	close(release)
	late := 0
	for range 2 {
		if err := signal(t, ends, "a commit"); errors.Is(err, ErrLost) {
			late++
		} else if err != nil {
			t.Error(err)
		}
	}
	if late != 1 {
		t.Errorf("%d commits were refused, want that of the partition that was taken away", late)
	}
	cancel()
	if err := signal(t, done, "end of Join"); err != nil {
		t.Error(err)
	}
}

// A member that the group has forgotten stops, cannot commit, and joins again.
func TestForgottenMember(t *testing.T) {
	b := startBroker(t)
	l := b.open(Config{})
	m := join(t, l, func(*Partition, Batch) error { return nil })
	p := signal(t, m.given, "a partition")
	signal(t, m.given, "the other partition")
	b.cluster.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = kerr.UnknownMemberID.Code
		return resp, nil, true
	})
	signal(t, m.taken, "the end of a tenure")
	signal(t, m.taken, "the end of the other tenure")
	if err := p.Commit(within(t), 7, "late"); !errors.Is(err, ErrLost) {
		t.Errorf("a forgotten member's commit: %v", err)
	}
	q := signal(t, m.given, "a partition, again")
	if err := q.Commit(within(t), 1, "again"); err != nil {
		t.Error(err)
	}
}

// One partition whose state cannot be loaded holds back no other.
func TestOneThatCannotLoad(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	tries, read := make(chan int, 100), make(chan Batch, 10)
	done := make(chan error, 1)
	go func() {
		done <- l.Join(ctx, GroupConfig{Group: "readers", Topics: []string{EventsTopic}, Serve: func(ctx context.Context, p *Partition) error {
			if p.Number() == 0 {
				tries <- 1
				return errors.New("its snapshot is away")
			}
			if err := p.Start(FromStart, nil); err != nil {
				return err
			}
			for {
				select {
				case b := <-p.Batches():
					read <- b
				case <-ctx.Done():
					return nil
				}
			}
		}})
	}()
	must(t, a, event(userOf(1), 1))
	signal(t, tries, "a try")
	signal(t, read, "the other partition's event")
	signal(t, tries, "another try")
	cancel()
	if err := signal(t, done, "end of Join"); err != nil {
		t.Error(err)
	}
}

// Topics by prefix, also one that is born later.
func TestPrefixes(t *testing.T) {
	l := startBroker(t).open(Config{})
	a := appender(t, l, AppenderConfig{})
	ctx, cancel := context.WithCancel(context.Background())
	read := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- l.Join(ctx, GroupConfig{Group: "relays", TopicPrefixes: []string{UplinkPrefix}, Heartbeat: 100 * time.Millisecond,
			Serve: func(ctx context.Context, p *Partition) error {
				if err := p.Start(FromStart, nil); err != nil {
					return err
				}
				for {
					b, err := p.Next(ctx)
					if err != nil {
						return nil
					}
					for range b.Entries {
						read <- p.Topic()
					}
				}
			}})
	}()
	for _, app := range []string{"app", "later"} {
		if err := l.CreateTopics(within(t), AppSpecs(app, 2, 1)); err != nil {
			t.Fatal(err)
		}
		e, err := (&schemas.Event{Kind: schemas.Kind_KIND_UPLINKED}).MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		must(t, a, Record{Topic: UplinkTopic(app), Partition: ByKey, Key: []byte("k"), Stamp: StampHeader, Headers: []Header{{StampHeaderName, e}}})
		if got := signal(t, read, "an uplink"); got != UplinkTopic(app) {
			t.Errorf("read from %s", got)
		}
	}
	cancel()
	if err := signal(t, done, "end of Join"); err != nil {
		t.Error(err)
	}
}

func TestNoGroupByHand(t *testing.T) {
	l := startBroker(t).open(Config{})
	errs := make(chan error, 2)
	serve(t, l, EventsTopic, 0, func(ctx context.Context, p *Partition) error {
		_, _, err := p.Committed(ctx)
		errs <- err
		errs <- p.Commit(ctx, 1, "")
		return nil
	})
	for range 2 {
		if err := signal(t, errs, "answer"); !errors.Is(err, ErrNoGroup) {
			t.Errorf("by hand: %v", err)
		}
	}
}
