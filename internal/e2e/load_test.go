package e2e

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// load is an app-server that makes calls at a rate, whatever becomes of them.
type load struct {
	w      *world
	user   func(n int) string // whom call n is for
	client *http.Client
	stop   func() // ends it and waits for all answers

	mu   sync.Mutex
	done []answered
}

// startLoad makes calls until stop, or the end of the test.
func (w *world) startLoad(rate int, user func(n int) string) *load {
	transport := &http.Transport{MaxIdleConnsPerHost: rate}
	l := &load{w: w, user: user, client: &http.Client{Transport: transport}}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { l.run(ctx, rate, &all) })
	l.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		transport.CloseIdleConnections()
	})
	w.t.Cleanup(l.stop)
	return l
}

// run makes a call for each interval that has gone by; calls are not ended by
// ctx, so that each has an answer.
func (l *load) run(ctx context.Context, rate int, all *sync.WaitGroup) {
	tick := time.NewTicker(time.Second / time.Duration(min(rate, 100)))
	defer tick.Stop()
	since, made := time.Now(), 0
	for {
		due := int(time.Since(since).Seconds() * float64(rate))
		for n := made; n < due; n++ {
			at := since.Add(time.Duration(n) * time.Second / time.Duration(rate))
			all.Go(func() { l.enter(l.post(context.WithoutCancel(ctx), n, at)) })
		}
		made = due
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *load) enter(c answered) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = append(l.done, c)
}

// calls that have been answered so far.
func (l *load) calls() []answered {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done[:len(l.done):len(l.done)]
}

// pass lets the load go on for a while: here time itself is what is tested.
func (l *load) pass(d time.Duration) {
	l.w.t.Helper()
	select {
	case <-time.After(d):
	case <-l.w.t.Context().Done():
		l.w.t.Fatal("the test ended under load")
	}
}
