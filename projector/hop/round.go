package hop

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"waybill/internal/eventlog"
)

// rounds joins the cuts of a process's partitions into flushes: an insert costs
// ClickHouse a part, whatever its size, and parts are merged again and again.
// One round gathers while the one before is inserted.
type rounds struct {
	// Fixed.
	flush   time.Duration // at least so long a round gathers; pace says how much longer
	maxRows int
	sink    *sink
	tracer  trace.Tracer // nil = spans are not exported

	turn    chan struct{} // one place: whoever flushes holds it
	running sync.WaitGroup

	mu   sync.Mutex
	open *round        // takes members; nil = none
	took time.Duration // by the newest insert
	cuts []*cut        // free ones, with their memory
}

func newRounds(cfg Config, s *sink) *rounds {
	return &rounds{flush: cfg.Flush, maxRows: cfg.MaxRows, sink: s, tracer: cfg.Tracer, turn: make(chan struct{}, 1)}
}

// round is the making of one flush. A partition's worker joins with the first
// batch of a cut and hands the cut in when the round is full.
type round struct {
	of   *rounds
	full chan struct{} // closed when members are to hand in
	done chan struct{} // closed when err is set: the flush is over
	err  error

	// Guarded by of.mu.
	timer   *time.Timer
	ended   bool // full is closed
	rows    int
	topics  []string // of each member
	size    int      // of the members in a mark, at most
	missing int      // members that have neither handed in nor left
	handed  []member
}

// member is a partition of this process with its cut.
type member struct {
	ctx context.Context // of the partition
	p   *eventlog.Partition
	cut *cut
}

// maxMembers bounds a flush: each member's mark names all of them.
const maxMembers = 64

// join makes the caller, a partition of the topic, a member of the open round,
// of a new one if none is or if the marks of that would be too long with it. It
// must hand in or leave.
func (rs *rounds) join(topic string) *round {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open != nil && rs.open.sizeWith(topic) > membersRoom {
		rs.open.close()
	}
	r := rs.open
	if r == nil {
		r = &round{of: rs, full: make(chan struct{}), done: make(chan struct{})}
		rs.open = r
		r.timer = time.AfterFunc(rs.pace(), r.end)
	}
	r.size, r.topics = r.sizeWith(topic), append(r.topics, topic)
	r.missing++
	if r.missing+len(r.handed) == maxMembers {
		r.close()
	}
	return r
}

// sizeWith is what the members take of a mark, at most, with one more: sorted,
// each topic is named once.
func (r *round) sizeWith(topic string) int {
	n := r.size + memberMost
	if !slices.Contains(r.topics, topic) {
		n += len(topic)
	}
	return n
}

// longestPace leaves time for the insert within the second after which a hop
// is to be found.
const longestPace = 600 * time.Millisecond

// Of the time, one part in so many is spent on inserts, until longestPace.
const paceOfInserts = 6

// pace is how long a round gathers. Larger inserts cost the engine less for
// each row, so the longer an insert took the longer the next one waits.
func (rs *rounds) pace() time.Duration {
	return max(rs.flush, min(paceOfInserts*rs.took, longestPace))
}

// end closes the round when its time is over.
func (r *round) end() {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.close()
}

// close lets nobody in any more. The caller holds the lock.
func (r *round) close() {
	if r.ended {
		return
	}
	r.ended = true
	r.timer.Stop()
	close(r.full)
	if r.of.open == r {
		r.of.open = nil
	}
	r.startIfWhole()
}

// grow counts rows, which may end the round.
func (r *round) grow(n int) {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if r.rows += n; r.rows >= r.of.maxRows {
		r.close()
	}
}

// leave is for a member that has no cut to hand in.
func (r *round) leave() {
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	if r.missing--; r.missing == 0 && len(r.handed) == 0 {
		r.close() // for nobody
		return
	}
	r.startIfWhole()
}

// handIn gives a cut to the round: it is not the caller's any more.
func (r *round) handIn(m member) {
	m.cut.rows.settle()
	r.of.mu.Lock()
	defer r.of.mu.Unlock()
	r.handed = append(r.handed, m)
	r.missing--
	r.startIfWhole()
}

// wait returns when the round's flush is over; no round is over.
func (r *round) wait(ctx context.Context) error {
	if r == nil {
		return nil
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// startIfWhole begins the flush when all have handed in or left. The caller
// holds the lock.
func (r *round) startIfWhole() {
	if r.ended && r.missing == 0 {
		r.missing = -1 // once
		r.of.running.Go(r.run)
	}
}

// run is the flush; no worker waits for it that has lost its partition.
func (r *round) run() {
	defer close(r.done)
	r.of.turn <- struct{}{}
	r.err = r.store()
	<-r.of.turn
	for _, m := range r.handed {
		r.of.free(m.cut)
	}
}

// store brings the cuts into ClickHouse: it stores the marks, inserts, and
// stores the ends. A member that is lost before its mark is stored is left out.
func (r *round) store() error {
	members := r.members()
	ctx, cancel := whileAny(members)
	defer cancel()
	var f mark
	for f.token == (token{}) {
		if members = present(members); len(members) == 0 {
			return eventlog.ErrLost
		}
		var err error
		if f, err = storeMarks(ctx, withRows(members)); err != nil && !lostOne(err, members) {
			return err
		}
	}
	if len(f.members) > 0 {
		if err := r.insert(ctx, f.token, members); err != nil {
			return err
		}
	}
	for {
		err := commitAll(ctx, members, func(c *cut) (int64, mark) { return c.next, mark{state: c.is} })
		if err == nil || !lostOne(err, members) {
			return err
		}
		members = present(members)
	}
}

// storeMarks draws a token for the flush and stores it with each member, or with
// none: then the flush has no token.
func storeMarks(ctx context.Context, members []member) (mark, error) {
	f := mark{}
	rand.Read(f.token[:])
	f.members = stretches(members)
	err := commitAll(ctx, members, func(c *cut) (int64, mark) { return c.first, mark{c.was, f.token, f.members} })
	if err != nil {
		return mark{}, err
	}
	return f, nil
}

// lostOne says that nothing was stored because a member had been lost: the rest
// can go on without it.
func lostOne(err error, members []member) bool {
	return errors.Is(err, eventlog.ErrLost) && len(present(members)) < len(members)
}

// insert is of all members that have rows, also of those that have been lost
// since: the marks name them.
func (r *round) insert(ctx context.Context, name token, members []member) error {
	var f flush
	for _, m := range withRows(members) {
		f.add(&m.cut.rows)
	}
	began := time.Now()
	err := r.of.sink.insert(ctx, name, &f, func() {
		for _, m := range members {
			m.p.Alive()
		}
	})
	if err != nil {
		return err
	}
	r.of.mu.Lock()
	r.of.took = time.Since(began)
	r.of.mu.Unlock()
	f.spans(r.of.tracer)
	return nil
}

// present are the members that have not lost their partitions. Those that have
// are left where their marks say: nothing else of theirs has been stored.
func present(members []member) (some []member) {
	for _, m := range members {
		if m.ctx.Err() == nil {
			some = append(some, m)
		}
	}
	return some
}

func withRows(members []member) (some []member) {
	for _, m := range members {
		if m.cut.rows.len() > 0 {
			some = append(some, m)
		}
	}
	return some
}

// members are those present, by topic and partition: in the order of their rows,
// and each topic is named once in the marks.
func (r *round) members() []member {
	members := present(r.handed)
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.cut.topic, b.cut.topic), cmp.Compare(a.cut.partition, b.cut.partition))
	})
	return members
}

func stretches(members []member) (all []stretch) {
	for _, m := range members {
		all = append(all, m.cut.stretch)
	}
	return all
}

// commitAll stores what of says of each cut, all or nothing.
func commitAll(ctx context.Context, members []member, of func(*cut) (int64, mark)) error {
	commits := make([]eventlog.GroupCommit, len(members))
	for i, m := range members {
		offset, mark := of(m.cut)
		text, err := mark.encode()
		if err != nil {
			return err
		}
		commits[i] = eventlog.GroupCommit{Partition: m.p, Offset: offset, Metadata: text}
	}
	return eventlog.CommitTogether(ctx, commits)
}

// errAllLost ends what a flush was doing when nobody is left to gain by it.
var errAllLost = errors.New("all partitions of the flush were taken away")

// whileAny is a context that ends with the last of the members' own.
func whileAny(members []member) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	var left sync.WaitGroup
	stops := make([]func() bool, len(members))
	left.Add(len(members))
	for i, m := range members {
		stops[i] = context.AfterFunc(m.ctx, left.Done)
	}
	go func() {
		left.Wait()
		cancel(errAllLost)
	}()
	return ctx, func() {
		for _, stop := range stops {
			if stop() {
				left.Done()
			}
		}
	}
}

// newCut is an empty one, with the memory of another if there is one.
func (rs *rounds) newCut() *cut {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	n := len(rs.cuts)
	if n == 0 {
		return new(cut)
	}
	c := rs.cuts[n-1]
	rs.cuts = rs.cuts[:n-1]
	return c
}

// free gives a cut's memory back.
func (rs *rounds) free(c *cut) {
	c.rows.reset()
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.cuts = append(rs.cuts, c)
}

// wait returns when no flush runs any more; nobody joins by then.
func (rs *rounds) wait() { rs.running.Wait() }
