package hop

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"waybill/internal/eventlog"
)

// repeats brings flushes in doubt to their end: those whose marks stand in the
// group, though nobody has said that ClickHouse has them. All partitions that
// are in doubt are read again, also those that others own by now, and inserted
// under the same token. Several workers of a process that come upon one flush
// make it once.
//
// No member leaves a beginning with a token before ClickHouse has the flush. So
// whoever inserts first still finds all members in doubt that have the token,
// and inserts them all; whoever finds fewer comes later and is ignored. That a
// member has gone on proves nothing: if the brokers refused the mark for it
// alone, it has no token, and went on with a flush of its own.
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
	is, err := rs.ended(ctx, p, m, own)
	if err != nil {
		return 0, state{}, fmt.Errorf("repeat flush of %s/%d: %w", p.Topic(), p.Number(), err)
	}
	text, err := mark{state: is}.encode()
	if err != nil {
		return 0, state{}, err
	}
	if err := p.Commit(ctx, own.next, text); err != nil {
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

// errMoved ends a worker whose mark changed after it had read it: it begins anew.
var errMoved = errors.New("the mark has changed meanwhile")

// ended returns the state at the end of the partition's own cut, once the flush
// is in ClickHouse.
func (rs *repeats) ended(ctx context.Context, p *eventlog.Partition, m mark, own stretch) (state, error) {
	r, mine := rs.begin(m.token)
	if mine {
		r.states, r.err = rs.run(ctx, p, m)
		if r.err != nil {
			rs.forget(m.token)
		}
		close(r.done)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return state{}, context.Cause(ctx)
	}
	if r.err != nil {
		return state{}, r.err
	}
	is, ok := r.states[own.key()]
	if !ok {
		rs.forget(m.token)
		return state{}, errMoved
	}
	return is, nil
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
	if rs.flushes == nil || len(rs.flushes) >= keptFlushes {
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

// run reads the cuts in doubt again and inserts them.
func (rs *repeats) run(ctx context.Context, p *eventlog.Partition, m mark) (map[partitionKey]state, error) {
	doubtful, err := rs.marks(ctx, p, m)
	if err != nil {
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
	if err := rs.sink.insert(ctx, m.token, &f, p.Alive); err != nil {
		return nil, err
	}
	f.spans(rs.tracer)
	return states, nil
}

// doubt is a member that stands at its beginning with the flush's token, and the
// state as of there.
type doubt struct {
	stretch
	state state
}

// marks reads those of all members, and returns who is in doubt. The others have
// gone on, have never got the mark, or have lost their topic with it: none of
// their rows is to be repeated here.
func (rs *repeats) marks(ctx context.Context, p *eventlog.Partition, m mark) (doubtful []doubt, err error) {
	for _, s := range m.members {
		first, of, err := load(ctx, p, s.topic, s.partition)
		if err != nil {
			return nil, err
		}
		if first == s.first && of.token == m.token {
			doubtful = append(doubtful, doubt{s, of.state})
		}
	}
	return doubtful, nil
}

// read makes the cut again, whoever owns its partition.
func (rs *repeats) read(ctx context.Context, s stretch, was state) (*cut, error) {
	c := new(cut)
	err := rs.log.Follow(ctx, eventlog.FollowConfig{Topic: s.topic, Partitions: []int32{s.partition}, Serve: func(ctx context.Context, p *eventlog.Partition) error {
		c.begin(s.topic, s.partition, s.first, was)
		var err error
		if c.rows.formers, err = p.Formers(ctx); err != nil {
			return err
		}
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
