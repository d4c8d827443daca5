package hop

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"waybill/internal/eventlog"
)

// flush is the rows of one insert: those of several cuts, in the order of the
// cuts.
type flush struct {
	hops        [][]hopRow
	connections [][]connectionRow
	pushes      [][]pushRow
}

func (f *flush) add(r *rows) {
	f.hops = append(f.hops, r.hops)
	f.connections = append(f.connections, r.connections)
	f.pushes = append(f.pushes, r.pushes)
}

func (f *flush) empty() bool { return len(f.hops) == 0 }

// run is the flush; no worker waits for it that has lost its partition.
func (r *round) run() {
	defer close(r.done)
	r.of.turn.Lock()
	began := time.Now()
	r.err = r.store()
	r.of.flushed(time.Since(began), r.err)
	r.of.turn.Unlock()
	for _, m := range r.handed {
		r.of.free(m.cut)
	}
}

// store brings the cuts into ClickHouse: it stores the marks, inserts, and
// stores the ends. A member that is lost before its mark is stored is left out.
func (r *round) store() error {
	members := r.members()
	if len(members) == 0 {
		return eventlog.ErrLost
	}
	ctx, cancel := whileAny(members)
	defer cancel()
	var name token
	members, err := withoutLost(members, func(members []member) (err error) {
		name, err = storeMarks(ctx, withRows(members))
		return err
	})
	if err != nil {
		return err
	}
	if err := r.insert(ctx, name, members); err != nil {
		return err
	}
	_, err = withoutLost(members, func(members []member) error {
		return commitAll(ctx, members, func(c *cut) (int64, mark) { return c.next, mark{state: c.is} })
	})
	return err
}

// storeMarks draws a token for a flush of these members and stores it with all
// of them, or with none.
func storeMarks(ctx context.Context, members []member) (token, error) {
	var name token
	rand.Read(name[:])
	all := stretches(members)
	return name, commitAll(ctx, members, func(c *cut) (int64, mark) { return c.first, mark{c.was, name, all} })
}

// withoutLost calls store, which stores for all members or for none, and if some
// of them turn out to be lost calls it again for the rest. It says for whom it
// has stored.
func withoutLost(members []member, store func([]member) error) ([]member, error) {
	for {
		err := store(members)
		if !errors.Is(err, eventlog.ErrLost) {
			return members, err
		}
		left := present(members)
		if len(left) == len(members) || len(left) == 0 {
			return nil, err
		}
		members = left
	}
}

// insert is of all members that have rows, also of those that have been lost
// since: the marks name them.
func (r *round) insert(ctx context.Context, name token, members []member) error {
	var f flush
	for _, m := range withRows(members) {
		f.add(&m.cut.rows)
	}
	if f.empty() {
		return nil
	}
	err := r.of.sink.insert(ctx, name, &f, func() {
		for _, m := range members {
			m.p.Alive()
		}
	})
	if err != nil {
		return err
	}
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
	var lost atomic.Int64
	stops := make([]func() bool, len(members))
	for i, m := range members {
		stops[i] = context.AfterFunc(m.ctx, func() {
			if lost.Add(1) == int64(len(members)) {
				cancel(errAllLost)
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
	}
}
