package crash

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// How much there is of everything: every fourth user has two devices.
const (
	Pushes  = 20_000
	Devices = 500
	users   = 400
)

// push is one that an app-server wants to be delivered, until it was accepted.
type push struct {
	User   string  `json:"user"`
	Family int     `json:"family"`
	Number int     `json:"json"` // the body
	TTL    float64 `json:"ttl"`
	Label  string  `json:"label"`
	Name   string  `json:"push_id"` // the caller's own, the same for every try

	due      time.Duration // since the first push
	accepted time.Time     // owned by the call that it is in
}

// office is the app-servers together: they push over HTTP, each in its own form,
// and say again with the same push id whatever was not accepted.
type office struct {
	// Fixed.
	urls   []string // of the ingests
	key    string
	log    *slog.Logger
	client *http.Client
	pushes []push // by number
	begin  time.Time

	accepted, refused, doubtful, unreachable, retried atomic.Int64

	mu  sync.Mutex
	odd []string // answers that nobody should get
}

// drawPushes draws what is pushed and when: the long-lived ones an hour, a tenth
// for a short while, some of those to nobody.
func drawPushes(seed uint64) []push {
	rng := rand.New(rand.NewPCG(seed, 2))
	all := make([]push, Pushes)
	for n := range all {
		p := push{
			User: fmt.Sprintf("user-%03d", rng.IntN(users)), Family: 7, Number: n, TTL: 3600,
			Label: []string{"order", "price", "news"}[rng.IntN(3)], Name: fmt.Sprintf("office-%d", n),
			due: time.Duration(rng.Int64N(int64(Span))),
		}
		if d := rng.IntN(100); d < 10 {
			p.TTL = float64(rng.IntN(16)) / 2
			if d == 0 {
				p.User = fmt.Sprintf("nobody-%d", rng.IntN(10))
			}
		}
		all[n] = p
	}
	slices.SortFunc(all, func(a, b push) int { return cmp.Compare(a.due, b.due) })
	for n := range all {
		all[n].Number, all[n].Name = n, fmt.Sprintf("office-%d", n)
	}
	return all
}

// How many app-servers work in each form, how many pushes of a hundred they
// make together, and how many one call may carry.
var forms = []struct {
	servers, share, most int
	call                 func(*office, context.Context, *http.Client, []*push) error
}{
	{servers: 3, share: 50, most: 400, call: (*office).stream},
	{servers: 3, share: 40, most: 50, call: (*office).batch},
	{servers: 16, share: 10, most: 1, call: (*office).batch},
}

// work makes every call and returns when all pushes were accepted.
func (o *office) work(ctx context.Context, seed uint64) error {
	rng := rand.New(rand.NewPCG(seed, 3))
	o.begin = time.Now()
	g, ctx := errgroup.WithContext(ctx)
	var servers []*server
	for _, f := range forms {
		for range f.servers {
			servers = append(servers, &server{office: o, most: f.most, call: f.call, rng: rand.New(rand.NewPCG(seed, uint64(100+len(servers))))})
		}
	}
	for n := range o.pushes {
		s := servers[pick(rng)]
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
	office *office
	most   int
	call   func(*office, context.Context, *http.Client, []*push) error
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
		for n < len(s.todo) && n < s.most && s.todo[n].due <= now {
			n++
		}
		wait := 10 * time.Millisecond // until more is due
		if n > 0 {
			began := time.Now()
			if err := s.call(s.office, ctx, s.office.client, s.todo[:n]); err != nil {
				s.office.log.Info("call", "pushes", n, "first", s.todo[0].Number, "took", time.Since(began), "err", err)
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
	done := slices.DeleteFunc(slices.Clone(s.todo[:n]), func(p *push) bool { return !p.accepted.IsZero() })
	s.office.retried.Add(int64(len(done)))
	s.todo = append(done, s.todo[n:]...)
}
