package hop

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"waybill/internal/eventlog"
)

// repeats brings flushes in doubt to their end: those whose marks stand in the
// group, though nobody has said that ClickHouse has them. All partitions of such
// a flush are read again, also those that others own by now, and give the same
// block under the same token. Several workers of a process that come upon one
// flush make it once.
type repeats struct {
	log    *eventlog.Log
	sink   *sink
	tracer trace.Tracer // nil = spans are not exported

	mu      sync.Mutex
	flushes map[token]*repeated
}

// repeated is one flush; what it holds is there when done is closed.
type repeated struct {
	done   chan struct{}
	err    error
	states map[partitionKey]state // as of the ends of its cuts
}

type partitionKey struct {
	topic  string
	number int32
}

func (s stretch) key() partitionKey { return partitionKey{s.topic, s.partition} }

// repeat ends the flush that the partition's mark is in, stores that in the
// group, and says where to go on.
func (rs *repeats) repeat(ctx context.Context, p *eventlog.Partition, first int64, m mark) (int64, state, error) {
	own, ok := m.of(p)
	if !ok || own.first != first {
		return 0, state{}, fmt.Errorf("repeat flush of %s/%d: the mark does not name its own offset %d", p.Topic(), p.Number(), first)
	}
	is, stored, err := rs.ended(ctx, p, m, own)
	if err != nil {
		return 0, state{}, fmt.Errorf("repeat flush of %s/%d: %w", p.Topic(), p.Number(), err)
	}
	if !stored {
		return first, m.state, nil
	}
	if err := p.Commit(ctx, own.next, mark{state: is}.encode()); err != nil {
		return 0, state{}, err
	}
	return own.next, is.clone(), nil
}

func (m mark) of(p *eventlog.Partition) (stretch, bool) {
	for _, s := range m.members {
		if s.topic == p.Topic() && s.partition == p.Number() {
			return s, true
		}
	}
	return stretch{}, false
}

// ended returns the state at the end of the partition's own cut, once the flush
// is in ClickHouse. Not stored: it never got there, and never will.
func (rs *repeats) ended(ctx context.Context, p *eventlog.Partition, m mark, own stretch) (is state, stored bool, err error) {
	r, mine := rs.begin(m.token)
	if mine {
		r.states, r.err = rs.run(ctx, p, m)
		if r.err != nil || r.states == nil {
			rs.forget(m.token)
		}
		close(r.done)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return state{}, false, context.Cause(ctx)
	}
	if r.err != nil {
		return state{}, false, r.err
	}
	is, stored = r.states[own.key()]
	return is, stored, nil
}

// keptFlushes is far more than can be in doubt at once: whoever comes late makes
// the flush once more, without harm.
const keptFlushes = 64

func (rs *repeats) begin(name token) (r *repeated, mine bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r, ok := rs.flushes[name]; ok {
		return r, false
	}
	if len(rs.flushes) >= keptFlushes {
		rs.flushes = nil
	}
	if rs.flushes == nil {
		rs.flushes = make(map[token]*repeated)
	}
	r = &repeated{done: make(chan struct{})}
	rs.flushes[name] = r
	return r, true
}

func (rs *repeats) forget(name token) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.flushes, name)
}

// run reads the cuts again and inserts them, unless a member has gone on: its
// owner did so because the flush was there. Then only the states are wanted.
// Without states the flush was never inserted: its marks were stored in half.
func (rs *repeats) run(ctx context.Context, p *eventlog.Partition, m mark) (map[partitionKey]state, error) {
	doubtful, found, err := rs.marks(ctx, p, m)
	if err != nil || found == halfStored {
		return nil, err
	}
	states := make(map[partitionKey]state)
	var f flush
	for _, d := range doubtful {
		c, err := rs.read(ctx, d.stretch, d.state)
		if err != nil {
			return nil, err
		}
		p.Alive()
		f.add(&c.rows)
		states[d.key()] = c.is
	}
	if found == goneOn {
		return states, nil
	}
	if err := rs.sink.insert(ctx, m.token, &f, p.Alive); err != nil {
		return nil, err
	}
	f.spans(rs.tracer)
	return states, nil
}

// doubt is a member that has not gone on, with the state at its beginning.
type doubt struct {
	stretch
	state state
}

// finding is what the members' marks say together.
type finding int

const (
	inDoubt    finding = iota
	goneOn             // of one at least
	halfStored         // one has never got the mark: the insert waits for all
)

// marks reads those of all members. A member that has none any more has lost
// its topic: the others' rows are all that can be repeated.
func (rs *repeats) marks(ctx context.Context, p *eventlog.Partition, m mark) (doubtful []doubt, found finding, err error) {
	for _, s := range m.members {
		first, of, err := load(ctx, p, s.topic, s.partition)
		switch {
		case err != nil:
			return nil, 0, err
		case first < 0:
		case of.token == m.token && first == s.first:
			doubtful = append(doubtful, doubt{s, of.state})
		case first >= s.next:
			found = goneOn
		case found == inDoubt:
			found = halfStored
		}
	}
	return doubtful, found, nil
}

// read makes the cut again, whoever owns its partition.
func (rs *repeats) read(ctx context.Context, s stretch, was state) (*cut, error) {
	c := new(cut)
	err := rs.log.Follow(ctx, eventlog.FollowConfig{Topic: s.topic, Partitions: []int32{s.partition}, Serve: func(ctx context.Context, p *eventlog.Partition) error {
		c.begin(s.topic, s.partition, s.first, was)
		if err := p.Start(s.first, was.serials); err != nil {
			return err
		}
		for c.next = p.Offset(); c.next < s.next; {
			b, err := p.Next(ctx)
			if err != nil {
				return err
			}
			c.take(b, s.next)
		}
		return nil
	}})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	c.rows.settle()
	return c, err
}
