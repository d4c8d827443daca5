package delivery

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
	"waybill/schemas"

	"github.com/google/go-cmp/cmp"
)

// pair is one log and two cores under one claim: one remembers everybody, the
// other lets users go at random and takes them back as soon as they are wanted.
type pair struct {
	t               *testing.T
	r               *rand.Rand
	log             *mailboxtest.Log
	all             []mailboxtest.Entry
	whole, partly   *Core
	unread          []*schemas.Event
	gone, back, out int
}

func newPair(t *testing.T, seed uint64) *pair {
	set := Defaults()
	set.Mailbox, set.Idle, set.Policy.SessionExpiry = 5, time.Microsecond, 0
	set.Policy.Devices = schemas.DevicePolicy(seed % 2)
	p := &pair{t: t, r: rand.New(rand.NewPCG(seed, 3)), log: mailboxtest.NewLog(seed)}
	p.log.Facts, p.log.Users = true, 3+int(seed)%6
	p.whole = NewCore(set, schemas.ID{1}, mailbox.New(), 0)
	p.partly = NewCore(set, schemas.ID{1}, mailbox.New(), 0)
	self := schemas.ID{1}
	p.apply(p.log.Add(&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED, Claimed: &schemas.Claimed{Worker: self[:]}}))
	return p
}

func (p *pair) apply(e mailboxtest.Entry) {
	p.all = append(p.all, e)
	p.whole.Apply(e.Position, e.Time, e.Event)
	p.partly.Apply(e.Position, e.Time, e.Event)
}

// step reads a record, and holds what the two put out against each other.
func (p *pair) step() {
	if len(p.unread) > 0 && p.r.IntN(2) == 0 {
		p.apply(p.log.Add(p.unread[0]))
		p.unread = p.unread[1:]
	} else {
		p.apply(p.log.Next())
	}
	now := p.all[len(p.all)-1].Time
	for _, c := range []*Core{p.whole, p.partly} {
		c.Advance(now)
		c.Prove(now)
	}
	said, decided := p.take(p.whole)
	also, _ := p.take(p.partly)
	for range 3 {
		p.answer()
		more, _ := p.take(p.partly)
		for user, lines := range more {
			also[user] = append(also[user], lines...)
		}
	}
	if diff := cmp.Diff(said, also); diff != "" {
		p.t.Fatalf("after %v (%v of %s) they differ, - is who remembers everybody:\n%s",
			p.all[len(p.all)-1].Position, p.all[len(p.all)-1].Event.Kind, p.all[len(p.all)-1].Event.User, diff)
	}
	p.unread = append(p.unread, decided...)
	p.out += len(decided)
	if p.r.IntN(3) == 0 {
		p.gone += p.partly.Evict(now+2, p.all[len(p.all)-1].Position, p.r.IntN(5))
	}
	if err := p.partly.State().CheckInvariants(); err != nil {
		p.t.Fatal(err)
	}
}

// take is what a core puts out, for each user.
func (p *pair) take(c *Core) (map[string][]string, []*schemas.Event) {
	decisions, commands := c.Take()
	said := make(map[string][]string)
	for _, e := range decisions {
		said[e.App+"/"+e.User] = append(said[e.App+"/"+e.User], mailboxtest.Decision(e))
	}
	for _, m := range commands {
		said[m.App+"/"+m.User] = append(said[m.App+"/"+m.User], mailboxtest.Command(m))
	}
	return said, decisions
}

// answer brings the rows of all who are wanted, as of when they left or later,
// but before what made them wanted.
func (p *pair) answer() {
	for _, w := range p.partly.Wants(100) {
		rows := mailbox.New()
		for _, e := range p.all {
			if e.Position < w.From {
				rows.Apply(e.Position, e.Time, e.Event)
			}
		}
		x := mailboxtest.Rows(rows, w.Key, w.From, p.r.IntN(2) == 0)
		p.back += p.partly.Return([]*mailbox.Rows{x}, w.From-1)
	}
}

// TestForgettingDecidesTheSame: who lets users go decides as one who does not.
func TestForgettingDecidesTheSame(t *testing.T) {
	gone, back, out := 0, 0, 0
	for seed := range uint64(80) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			p := newPair(t, seed)
			for range 300 {
				p.step()
			}
			gone, back, out = gone+p.gone, back+p.back, out+p.out
		})
	}
	t.Logf("%d evictions, %d returns, %d decisions", gone, back, out)
	if gone < 500 || back < 500 || out < 1000 {
		t.Errorf("%d evictions, %d returns, %d decisions: too few to say something", gone, back, out)
	}
}

// TestLostDeadlineIsFound: without the times that are left behind, a push of an
// absent user does not end.
func TestLostDeadlineIsFound(t *testing.T) {
	for _, loses := range []bool{false, true} {
		c := newCore(Defaults())
		c.Plant(Faults{LosesDeadlines: loses})
		l := &line{core: c, now: 1_700_000_000_000_000}
		l.claim()
		l.apply(pushed(1, 1))
		for _, e := range l.flush0() {
			l.apply(e)
		}
		if n := c.Evict(l.now+2*time.Minute.Microseconds(), l.pos, 10); n != 1 {
			t.Fatalf("%d users left", n)
		}
		late := l.now + 25*time.Hour.Microseconds()
		if c.Deadline(late) == loses {
			t.Errorf("loses its deadlines: %v, and one is due: %v", loses, !loses)
		}
		c.Advance(late)
		c.Take()
		if wants := c.Wants(9); len(wants) == 1 == loses {
			t.Errorf("loses its deadlines: %v, and wants %v", loses, wants)
		}
	}
}

// flush0 is what is decided, without an outbox.
func (l *line) flush0() []*schemas.Event {
	decisions, _ := l.core.Take()
	return decisions
}

// TestAbsentSessionExpires: nobody has to come for it.
func TestAbsentSessionExpires(t *testing.T) {
	c := newCore(Defaults())
	l := &line{core: c, now: 1_700_000_000_000_000}
	l.claim()
	l.apply(connected(1))
	l.flush0()
	l.apply(from(1, &schemas.Event{Kind: schemas.Kind_KIND_DISCONNECTED, Disconnected: &schemas.Disconnected{}}))
	l.flush0()
	rows := copied(c.State())
	if n := c.Evict(l.now+2*time.Minute.Microseconds(), l.pos, 10); n != 1 {
		t.Fatalf("%d users left", n)
	}
	c.Advance(l.now + 31*24*time.Hour.Microseconds())
	l.flush0()
	wants := c.Wants(9)
	if len(wants) != 1 {
		t.Fatalf("wanted are %v", wants)
	}
	c.Return([]*mailbox.Rows{mailboxtest.Rows(rows, wants[0].Key, 0, true)}, l.pos)
	if got := l.flush0(); len(got) != 1 || got[0].SessionEnded.GetReason() != schemas.Reason_REASON_SESSION_EXPIRED {
		t.Errorf("decided is %v", got)
	}
}

// copied shares users of which nothing more is read.
func copied(s *mailbox.State) *mailbox.State {
	c := mailbox.New()
	c.Users = maps.Clone(s.Users)
	for key, u := range c.Users {
		v := *u
		v.Devices = slices.Clone(u.Devices)
		c.Users[key] = &v
	}
	return c
}
