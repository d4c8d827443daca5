package session

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"waybill/internal/eventlog"
	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/internal/pgtest"
	"waybill/internal/snapshot"
)

// TestProjectorAgreesWithFold is the property that a takeover rests on, of the
// projector as it runs: whatever a log says, in whatever pieces it comes,
// wherever it is cut, and however often the projector is stopped, killed before
// a commit, or doubled, what is loaded from Postgres is the fold of the log up
// to where the rows say that they are. internal/snapshot has the same property
// of the rows alone, without a broker.
func TestProjectorAgreesWithFold(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			h := &history{world: newWorld(t, 3), partitions: 3, r: rand.New(rand.NewPCG(seed, 7)), log: mailboxtest.NewLog(1000 + seed)}
			h.log.Users = 3 + h.r.IntN(20)
			for range 4 {
				h.live()
				h.agree()
			}
			h.toEnd()
			h.agree()
		})
	}
}

// history is a random log, and what lived on it.
type history struct {
	*world
	partitions int32
	r          *rand.Rand
	log        *mailboxtest.Log
}

// live lets one projector, or two at once, fold what comes meanwhile, until
// they have stored something or at once.
func (h *history) live() {
	first, second := h.anyhow(), h.anyhow()
	second.group = "another-group" // it is given the same partitions
	second.hooks.stored = first.flushed
	first.start()
	defer first.end()
	if h.r.IntN(3) == 0 {
		second.start()
		defer second.end()
	}
	for range 1 + h.r.IntN(3) {
		h.random(h.log, 1+h.r.IntN(200))
	}
	if h.r.IntN(4) > 0 {
		first.untilStored()
	}
}

// anyhow is a projector that cuts anywhere, and dies before some commits.
func (h *history) anyhow() *running {
	p := h.prepare()
	p.cfg.Flush = time.Duration(1+h.r.IntN(30)) * time.Millisecond
	p.cfg.Events = 1 + h.r.IntN(100)
	var cuts atomic.Int64
	dies := int64(2 + h.r.IntN(6))
	p.hooks.beforeCommit = func(*snapshot.Cut) error {
		if cuts.Add(1)%dies == 0 {
			return errKilled
		}
		return nil
	}
	return p
}

// untilStored waits for a flush.
func (r *running) untilStored() {
	r.w.t.Helper()
	r.mu.Lock()
	stored, moved := r.stored, r.moved
	r.mu.Unlock()
	if stored > 0 {
		return
	}
	select {
	case <-moved:
	case <-time.After(patience):
		r.w.t.Fatal("nothing was stored")
	}
}

// agree holds each partition's rows against the fold up to where they are.
func (h *history) agree() {
	h.t.Helper()
	pool := pgtest.Pool(h.t, h.dsn)
	for i := range h.partitions {
		s, err := snapshot.Load(within(h.t), pool, eventlog.EventsTopic, i)
		if err != nil {
			h.t.Fatal(err)
		}
		want := mailbox.New()
		h.read(i, func(e eventlog.Entry) {
			if e.Offset < s.Next {
				want.Apply(e.Position, e.Time, e.Event)
			}
		})
		if err := mailbox.Same(want, s.State); err != nil {
			h.t.Errorf("partition %d as of %d: fold and rows differ: %v", i, s.Next, err)
		}
		if err := s.State.CheckInvariants(); err != nil {
			h.t.Errorf("partition %d as of %d: %v", i, s.Next, err)
		}
	}
}

// toEnd lets a projector without faults project what there is.
func (h *history) toEnd() {
	p := h.prepare().start()
	defer p.end()
	pool := pgtest.Pool(h.t, h.dsn)
	for i := range h.partitions {
		_, next := h.fold(i)
		s, err := snapshot.Load(within(h.t), pool, eventlog.EventsTopic, i)
		if err != nil {
			h.t.Fatal(err)
		}
		if s.Next < next {
			p.until(i, next)
		}
	}
}
