package crash

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// office is the app-servers together: they push over HTTP, each in its own form,
// and say again with the same push id whatever was not accepted.
type office struct {
	// Fixed.
	urls        []string          // of the ingests
	keys        map[string]string // of the apps
	log         *slog.Logger
	client      *http.Client
	pushes      []push // by number
	withdrawals []*withdrawal
	begin       time.Time

	calls                                            atomic.Int64 // so many were made
	accepted, refused, doubtful, unanswered, retried atomic.Int64

	mu  sync.Mutex
	odd []string // answers that nobody should get
}

// start is when the first push may be made; from it follow the times in them.
func (o *office) start() {
	o.begin = time.Now()
	for n := range o.pushes {
		if p := &o.pushes[n]; p.delay > 0 {
			p.at = o.begin.Add(p.due + p.delay).Truncate(time.Millisecond)
			p.DeliverAt = p.at.UTC().Format(time.RFC3339Nano)
		}
	}
}

// form of a call: how many app-servers work in it, how many pushes of a hundred
// they make together, how many one call may carry, and how long before its last
// push is due it is made.
type form struct {
	servers, share, most int
	ahead                time.Duration
	call                 func(*office, context.Context, *http.Client, []*push) error
}

var forms = []form{
	{servers: 3, share: 50, most: 400, ahead: 3 * time.Second, call: (*office).stream},
	{servers: 3, share: 40, most: 50, call: (*office).batch},
	{servers: 16, share: 10, most: 1, call: (*office).batch},
}

// work makes every call and returns when all pushes were accepted.
func (o *office) work(ctx context.Context, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 3))
	g, ctx := errgroup.WithContext(ctx)
	var servers []*server
	for _, f := range forms {
		for range f.servers {
			servers = append(servers, &server{office: o, form: f, rng: rand.New(rand.NewPCG(seed, uint64(100+len(servers))))})
		}
	}
	other := &server{office: o, form: forms[1], rng: rand.New(rand.NewPCG(seed, 99))}
	servers = append(servers, other) // a call has the pushes of one app
	for n := range o.pushes {
		s := servers[pick(rng)]
		if o.pushes[n].app != freight {
			s = other
		}
		s.todo = append(s.todo, &o.pushes[n])
	}
	for _, s := range servers {
		g.Go(func() error { return s.work(ctx) })
	}
	return g.Wait()
}

// pick the number of an app-server, by the forms' shares.
func pick(rng *rand.Rand) int {
	first, share := 0, rng.IntN(100)
	for _, f := range forms {
		if share -= f.share; share < 0 {
			return first + rng.IntN(f.servers)
		}
		first += f.servers
	}
	return 0
}

// server is one app-server.
type server struct {
	form
	office *office
	rng    *rand.Rand
	todo   []*push // in the order of their time
}

// work pushes what is due, as many in a call as the form allows, until nothing
// is left.
func (s *server) work(ctx context.Context) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for len(s.todo) > 0 {
		now := time.Since(s.office.begin)
		n := 0
		for n < len(s.todo) && n < s.most && s.todo[n].due <= now+s.ahead {
			n++
		}
		wait := 10 * time.Millisecond // until more is due
		if n > 0 {
			began := time.Now()
			if err := s.call(s.office, ctx, s.office.client, s.todo[:n]); err != nil {
				s.office.log.Info("call", "pushes", n, "first", s.todo[0].number, "took", time.Since(began), "err", err)
				wait = time.Duration(100+s.rng.IntN(400)) * time.Millisecond
			}
			s.forget(n)
		}
		pause.Reset(wait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// forget what was accepted of the first n; the rest is said again.
func (s *server) forget(n int) {
	done := slices.DeleteFunc(slices.Clone(s.todo[:n]), func(p *push) bool { return p.accepted() != nil })
	s.office.retried.Add(int64(len(done)))
	s.todo = append(done, s.todo[n:]...)
}
