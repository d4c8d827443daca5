package eventlog

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// GroupConfig says what Join reads.
type GroupConfig struct {
	Group         string
	Topics        []string
	TopicPrefixes []string // every topic that begins so, also one that is created later
	// Session is how long the group waits for a member that is gone (default
	// 10 s), Heartbeat how often a member shows itself (default a fifth of it).
	// A rebalance takes about a heartbeat.
	Session, Heartbeat time.Duration
	// RevokeWait is how long a rebalance waits for a PartitionFunc to return
	// (default 5 s). Then it goes on without it, and says so.
	RevokeWait time.Duration
	// Overlap is how long a PartitionFunc may go on after its partition was taken
	// away: it is told by Partition.Revoked, commits nothing any more, and ends when
	// it finds that another has begun. The rebalance does not wait for it. 0: it
	// ends at once. At the end of Join all end at once.
	Overlap time.Duration
	Serve   PartitionFunc
	Fetch   Fetch
	// Standing is told how this member stands; nil = nobody asks.
	Standing *Standing
}

const (
	defaultSession    = 10 * time.Second
	defaultRevokeWait = 5 * time.Second
	heartbeats        = 5 // in a session
	leaveWait         = 2 * time.Second
	// newTopicsAfter is how soon a topic with a prefix is seen after its birth.
	newTopicsAfter = 2 * time.Second
)

func (c *GroupConfig) setDefaults() {
	if c.Session == 0 {
		c.Session = defaultSession
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = c.Session / heartbeats
	}
	if c.RevokeWait == 0 {
		c.RevokeWait = defaultRevokeWait
	}
}

// group is one membership: a client that is told its partitions and fetches
// nothing, and a reader that fetches them from where their functions say
// (docs/decisions/0003).
type group struct {
	cfg    GroupConfig
	client *kgo.Client // set when ready is closed: the client assigns before it is returned
	ready  chan struct{}
	reader *reader
	ctx    context.Context // of Join, without its end

	mu      sync.Mutex
	tenures map[place]*tenure
	joined  bool // the group has told the partitions
}

// tenure is the time for which a partition is assigned.
type tenure struct {
	g      *group
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when its function will not be called again
	over   atomic.Bool   // no commit any more; set before the group goes on
	taken  chan struct{} // closed, once, when the partition was taken away and the function goes on

	working atomic.Bool // as Partition.Working was told
}

// Join reads the partitions that a consumer group assigns (classic,
// cooperative). It waits for the topics, says so, and returns nil when ctx has
// ended and the group has been left.
func (l *Log) Join(ctx context.Context, cfg GroupConfig) error {
	cfg.setDefaults()
	for _, topic := range cfg.Topics {
		if _, err := retry(ctx, l, topic, func(ctx context.Context) (int32, error) { return l.Partitions(ctx, topic) }); err != nil {
			return nil // ctx has ended
		}
	}
	r, err := l.newReader(cfg.Fetch, cfg.Group)
	if err != nil {
		return fmt.Errorf("join %s: %w", cfg.Group, err)
	}
	g := &group{cfg: cfg, ready: make(chan struct{}), reader: r, ctx: context.WithoutCancel(ctx), tenures: make(map[place]*tenure)}
	if g.client, err = kgo.NewClient(l.options(g.options()...)...); err != nil {
		r.close()
		return fmt.Errorf("join %s: %w", cfg.Group, err)
	}
	close(g.ready)
	if cfg.Standing != nil {
		cfg.Standing.group.Store(g)
		defer cfg.Standing.group.Store(nil)
	}
	g.run(ctx)
	return nil
}

func (g *group) options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(g.cfg.Group),
		kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.SessionTimeout(g.cfg.Session),
		kgo.HeartbeatInterval(g.cfg.Heartbeat),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(g.assigned),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
			if g.cfg.Overlap > 0 {
				g.handOver(m)
			} else {
				g.revoked(m)
			}
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, m map[string][]int32) { g.lost(m) }),
	}
	if len(g.cfg.TopicPrefixes) == 0 {
		return append(opts, kgo.ConsumeTopics(g.cfg.Topics...))
	}
	var patterns []string
	for _, t := range g.cfg.Topics {
		patterns = append(patterns, "^"+regexp.QuoteMeta(t)+"$")
	}
	for _, t := range g.cfg.TopicPrefixes {
		patterns = append(patterns, "^"+regexp.QuoteMeta(t))
	}
	return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(patterns...), kgo.MetadataMaxAge(newTopicsAfter))
}

// run is the membership until ctx ends. Functions end first, while they can
// still commit; then the group is left.
func (g *group) run(ctx context.Context) {
	var polling sync.WaitGroup
	poll, stop := context.WithCancel(g.ctx)
	polling.Go(func() { g.reader.run(poll) })
	polling.Go(func() { g.watch(poll) })
	<-ctx.Done()
	g.revoked(g.all())
	leave, cancel := context.WithTimeout(g.ctx, leaveWait)
	defer cancel()
	if err := g.client.LeaveGroupContext(leave); err != nil {
		g.reader.log.cfg.Log.Warn("the group was not left: it waits for its session to end", "group", g.cfg.Group, "err", err)
	}
	g.client.Close()
	g.wait()
	stop()
	polling.Wait()
	g.reader.close()
}

// groupTrouble is said once in a while: the client tries again at once.
const groupTrouble = "the group has trouble"

// watch reads the membership's errors; it has no records.
func (g *group) watch(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := g.client.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			if ctx.Err() == nil && !g.reader.log.clientLog.repeats(groupTrouble+g.cfg.Group) {
				g.reader.log.cfg.Log.Warn(groupTrouble, "group", g.cfg.Group, "err", err)
			}
		})
	}
}

// assigned begins a tenure for each partition. A function that still runs from
// an earlier one is waited for.
func (g *group) assigned(_ context.Context, client *kgo.Client, m map[string][]int32) {
	defer g.answered(true)
	if len(m) == 0 {
		return
	}
	client.PauseFetchPartitions(m)
	g.reader.log.cfg.Log.Info("partitions assigned", "group", g.cfg.Group, "partitions", m)
	g.mu.Lock()
	defer g.mu.Unlock()
	for at := range places(m) {
		g.begin(at)
	}
}

// begin starts a tenure. The caller holds the lock.
func (g *group) begin(at place) {
	before := g.tenures[at]
	ctx, cancel := context.WithCancelCause(g.ctx)
	t := &tenure{g: g, cancel: cancel, done: make(chan struct{}), taken: make(chan struct{})}
	g.tenures[at] = t
	go func() {
		defer close(t.done)
		<-g.ready
		if before != nil {
			before.cancel(ErrLost) // it may have gone on
			<-before.done
		}
		g.reader.serve(ctx, at, t, t.serve)
	}()
}

// serve is one call of the group's function: it is not at work before it says so.
func (t *tenure) serve(ctx context.Context, p *Partition) error {
	defer t.working.Store(false)
	if err := t.g.cfg.Serve(ctx, p); err != nil && !t.over.Load() {
		return err
	}
	return nil // or it is not called again
}

// handOver lets the functions of partitions go on for a while that were taken
// away.
func (g *group) handOver(m map[string][]int32) {
	if len(m) == 0 {
		return
	}
	g.reader.log.cfg.Log.Info("partitions handed over", "group", g.cfg.Group, "partitions", m)
	g.mu.Lock()
	defer g.mu.Unlock()
	for at := range places(m) {
		if t := g.tenures[at]; t != nil && !t.over.Swap(true) {
			time.AfterFunc(g.cfg.Overlap, func() { t.cancel(ErrLost) })
			close(t.taken)
		}
	}
}

// Revoked is closed when the partition was taken away and the function goes on:
// see GroupConfig.Overlap. For any goroutine.
func (p *Partition) Revoked() <-chan struct{} {
	if p.tenure == nil {
		return nil
	}
	return p.tenure.taken
}

// revoked ends tenures and waits for their functions; they may still commit
// what they have done.
func (g *group) revoked(m map[string][]int32) {
	if len(m) == 0 {
		return
	}
	g.reader.log.cfg.Log.Info("partitions revoked", "group", g.cfg.Group, "partitions", m)
	wait, cancel := context.WithTimeout(g.ctx, g.cfg.RevokeWait)
	defer cancel()
	for at, t := range g.end(m) {
		if !t.ended(wait) {
			g.reader.log.cfg.Log.Error("a partition was taken away and is still being served", "topic", at.topic, "partition", at.partition)
		}
		t.over.Store(true)
	}
}

// ended waits for the tenure's function.
func (t *tenure) ended(ctx context.Context) bool {
	select {
	case <-t.done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// lost ends tenures that have ended already: others may own the partitions.
func (g *group) lost(m map[string][]int32) {
	g.answered(false)
	if len(m) == 0 {
		return
	}
	g.reader.log.cfg.Log.Warn("partitions lost: the group went on without this member", "group", g.cfg.Group, "partitions", m)
	if g.cfg.Overlap > 0 {
		g.handOver(m)
		return
	}
	for _, t := range g.end(m) {
		t.over.Store(true)
	}
}

// end tells the functions of the partitions to return.
func (g *group) end(m map[string][]int32) map[place]*tenure {
	g.mu.Lock()
	defer g.mu.Unlock()
	ended := make(map[place]*tenure)
	for at := range places(m) {
		if t := g.tenures[at]; t != nil {
			t.cancel(ErrLost)
			ended[at] = t
		}
	}
	return ended
}

func (g *group) all() map[string][]int32 {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := make(map[string][]int32)
	for at := range g.tenures {
		m[at.topic] = append(m[at.topic], at.partition)
	}
	return m
}

// wait returns when no function runs any more.
func (g *group) wait() {
	g.mu.Lock()
	tenures := slices.Collect(maps.Values(g.tenures))
	g.mu.Unlock()
	for _, t := range tenures {
		<-t.done
	}
}

// places are the partitions of the library's maps, one by one.
func places(m map[string][]int32) func(func(place) bool) {
	return func(yield func(place) bool) {
		for topic, partitions := range m {
			for _, i := range partitions {
				if !yield(place{topic, i}) {
					return
				}
			}
		}
	}
}
