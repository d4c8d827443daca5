package delivery

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// partitions is an appender that decodes what it takes, and takes nothing for
// one partition while that is away.
type partitions struct {
	t       *testing.T
	away    int32 // -1: none
	refuses error // what it takes ends so
	told    map[int32][]*schemas.Command
	claims  int
}

func (p *partitions) Append(r eventlog.Record, done func(eventlog.Appended, error)) error {
	if r.Topic == eventlog.DispatchTopic && r.Partition == p.away {
		return eventlog.ErrBusy
	}
	if r.Topic == eventlog.DispatchTopic {
		m := new(schemas.Command)
		if err := m.UnmarshalVT(r.Value); err != nil {
			p.t.Error(err)
		}
		p.told[r.Partition] = append(p.told[r.Partition], m)
	} else {
		p.claims++
	}
	if p.refuses != nil {
		done(eventlog.Appended{}, p.refuses)
	}
	return nil
}

// crowd is a core with n users, each with a phone on gate 1, and one with a phone on
// gate 2; each phone has read its resumed.
func crowd(t *testing.T, n int) (*line, *partitions) {
	p := &partitions{t: t, away: -1, told: make(map[int32][]*schemas.Command)}
	l := &line{core: newCore(Defaults()), now: 1_700_000_000_000_000}
	l.out = newOutbox(slog.New(slog.DiscardHandler), p, p)
	l.claim()
	for i := range n + 1 {
		e := connected(i)
		if i == n {
			e.Gate = 2
		}
		l.apply(e)
		acked := from(i, &schemas.Event{Kind: schemas.Kind_KIND_ACKED, Acked: &schemas.Acked{Cursor: uint64(l.pos)}})
		acked.Gate = e.Gate
		l.apply(acked)
	}
	l.turn()
	return l, p
}

// turn is one round of the owner's loop.
func (l *line) turn() {
	l.flush()
	l.out.send(time.Now(), l.core)
}

// TestAwayGateIsBounded: the commands for a gate whose partition is away wait in
// a bounded queue, and for the rest it is enough to know who has more; the
// other gate notices nothing. When it is back, everybody is told everything, in
// order.
func TestAwayGateIsBounded(t *testing.T) {
	const users, each = 800, 20
	synctest.Test(t, func(t *testing.T) {
		l, p := crowd(t, users)
		p.away = 1
		for n := range each {
			for i := range users {
				l.apply(pushed(i, n))
			}
			l.turn()
		}
		other := l.apply(pushed(users, each))
		l.turn()
		if got := p.told[2]; len(got) != 1 || got[0].Position != uint64(other) {
			t.Errorf("the other gate is told %v, want the push at %v", got, other)
		}
		q := l.out.gates[1]
		if most := mostRecords + Defaults().Burst; len(q.records) > most || !q.busy {
			t.Errorf("%d commands wait, want at most %d", len(q.records), most)
		}
		p.away = -1
		for range 20 {
			time.Sleep(2 * askAgain)
			l.turn()
		}
		if len(q.records) > 0 || l.core.More() || q.busy {
			t.Errorf("%d commands still wait, more %t", len(q.records), l.core.More())
		}
		inOrder(t, p.told[1], users, each)
	})
}

// inOrder checks that each connection was told everything, each write after the
// one before.
func inOrder(t *testing.T, told []*schemas.Command, users, each int) {
	t.Helper()
	last, count := make(map[string]uint64), make(map[string]int)
	for _, m := range told {
		if before, known := last[m.User]; known && m.Previous != before {
			t.Fatalf("%s is told of %d after %d, and of %d before", m.User, m.Position, m.Previous, before)
		}
		last[m.User] = m.Position
		count[m.User]++
	}
	for user, n := range count {
		if n != each {
			t.Errorf("%s is told %d times, want %d", user, n, each)
		}
	}
	if len(count) != users {
		t.Errorf("%d users are told something, want %d", len(count), users)
	}
}

// TestRefusedCommandIsSaidAgain: what the log refuses for good, after it had
// taken it, is said again.
func TestRefusedCommandIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := crowd(t, 1)
		p.refuses = errors.New("refused")
		pos := l.apply(pushed(0, 1))
		l.turn()
		p.refuses, p.told[1] = nil, nil
		time.Sleep(2 * lostPause)
		l.turn()
		l.turn()
		got := p.told[1]
		if len(got) == 0 || got[len(got)-1].Position != uint64(pos) {
			t.Errorf("after the refusal the gate is told %v, want the push at %v", got, pos)
		}
	})
}

// TestLossHoldsUpNothing: what waits after a loss goes as soon as the partition
// takes it.
func TestLossHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := crowd(t, 1)
		p.refuses = errors.New("refused")
		l.apply(pushed(0, 1))
		l.turn()
		p.refuses, p.away = nil, 1
		l.turn() // it is said again, and waits
		p.away, p.told[1] = -1, nil
		time.Sleep(2 * askAgain)
		if l.turn(); len(p.told[1]) == 0 {
			t.Errorf("%d commands wait for a partition that takes them", len(l.out.gates[1].records))
		}
	})
}

// TestRefusedClaimIsSaidAgain: a claim or a decision that is refused for good
// would never be read, and never be said again by itself.
func TestRefusedClaimIsSaidAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		p := &partitions{t: t, away: -1, refuses: errors.New("refused"), told: make(map[int32][]*schemas.Command)}
		o := &owner{w: &Worker{}, p: new(eventlog.Partition), log: log, core: newCore(Defaults()), out: newOutbox(log, p, p)}
		o.claim()
		o.checkClaim()
		if p.refuses = nil; o.reclaim == nil {
			t.Fatal("it waits for nothing")
		}
		<-o.reclaim
		o.reclaim, o.repair = nil, false
		o.claim()
		if o.checkClaim(); p.claims != 2 || o.reclaim != nil {
			t.Errorf("%d claims, want 2, and no third", p.claims)
		}
	})
}
