package hop

import (
	"context"
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

	turn    sync.Mutex // held by the flush that is stored; the next one waits
	running sync.WaitGroup

	mu   sync.Mutex
	open *round        // takes members; nil = none
	took time.Duration // by the newest flush
	cuts []*cut        // free ones, with their memory
}

func newRounds(cfg Config, s *sink) *rounds {
	return &rounds{flush: cfg.Flush, maxRows: cfg.MaxRows, sink: s, tracer: cfg.Tracer}
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

// join makes the caller, a partition of the topic whose first record is so old,
// a member of the open round, of a new one if none is or if the marks of that
// would be too long with it. It must hand in or leave.
func (rs *rounds) join(topic string, age time.Duration) *round {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.open != nil && rs.open.sizeWith(topic) > membersRoom {
		rs.open.close()
	}
	r := rs.open
	if r == nil {
		r = &round{of: rs, full: make(chan struct{}), done: make(chan struct{})}
		rs.open = r
		r.timer = time.AfterFunc(rs.pace(age), r.end)
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

// found is the age at which a hop should be there, with some room below the
// second that is promised: a lookup takes its time too.
const found = 850 * time.Millisecond

// longestPace bounds how much a flush holds.
const longestPace = 600 * time.Millisecond

// Of the time, one part in so many is spent on flushes, as long as a hop is
// found in time.
const paceOfFlushes = 6

// pace is how long a round gathers whose first record is so old. Larger inserts
// cost the engine less for each row, so the longer a flush took the longer the
// next one waits; but what a slow log and the flush itself take is taken off.
func (rs *rounds) pace(age time.Duration) time.Duration {
	most := min(longestPace, found-rs.took-age)
	return max(rs.flush, min(paceOfFlushes*rs.took, most))
}

// flushed notes what the newest flush took.
func (rs *rounds) flushed(took time.Duration, err error) {
	if err != nil {
		return
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.took = took
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
