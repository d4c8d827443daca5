package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A lookup costs ClickHouse far more than a push, so there are one or two a
// second: the probe must not be the load.
const (
	// probeEvery is the mean pause between two probes; it is drawn, so that
	// probes keep no step with the projector.
	probeEvery = 2 * time.Second
	// lookEvery is the pause between two looks for one of them. A delay is right
	// to one of these, and never too short.
	lookEvery = 150 * time.Millisecond
	// lookFirst is the part of the expected delay after which a probe is looked
	// for first.
	lookFirst = .75
)

// prober pushes now and then and looks the push up again and again, until its
// whole way is there: how long after its happening can each hop be found?
type prober struct {
	s     *Session
	body  []byte
	looks sync.WaitGroup
	stop  context.CancelFunc // ends the looking

	mu     sync.Mutex
	expect time.Duration // guarded by mu; until the first hop of a probe is found
	delays []float64     // guarded by mu; milliseconds, of each hop
	err    error         // guarded by mu; the first one
}

func (s *Session) newProber() *prober {
	return &prober{
		s: s, stop: func() {}, expect: s.hopDelay,
		body: newTemplate(0, s.fleet.users()[:1], "probe", s.cfg.Body).append(nil, 0, 0),
	}
}

// start probes from the end of the warm-up until ctx ends. What is on its way
// then is looked for further: those that take longest must not be left out.
func (p *prober) start(ctx context.Context) {
	cfg := &p.s.cfg
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Warmup+cfg.Duration+patience)
	p.stop = cancel
	p.looks.Go(func() {
		if err := p.work(ctx, looking); err != nil {
			p.fail(err)
		}
	})
}

func (p *prober) work(ctx, looking context.Context) error {
	if sleep(ctx, p.s.cfg.Warmup) != nil {
		return nil
	}
	c, err := newCaller(ctx, p.s.cfg.API, p.s.cfg.Key)
	if err != nil {
		return err
	}
	defer c.close()
	for ; ctx.Err() == nil; _ = sleep(ctx, probeEvery/2+rand.N(probeEvery)) {
		trace, err := p.push(c)
		if err != nil {
			return err
		}
		p.looks.Go(func() { p.follow(looking, trace) })
	}
	return nil
}

// wait for the last probe.
func (p *prober) wait(run *Run) error {
	p.looks.Wait()
	p.stop()
	p.s.hopDelay = p.expect
	run.Visible, run.Probes, run.Delays = latencyOf(p.delays), len(p.delays), p.delays
	return p.err
}

// abandon ends what nobody waits for.
func (p *prober) abandon() {
	p.stop()
	p.looks.Wait()
}

func (p *prober) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
}

// push returns the trace id.
func (p *prober) push(c *caller) (string, error) {
	status, answer, err := c.call(p.body)
	if err != nil {
		return "", fmt.Errorf("push a probe: %w", err)
	}
	var push struct {
		TraceID string `json:"trace_id"`
	}
	if err := json.Unmarshal(answer, &push); err != nil || status != http.StatusAccepted {
		return "", fmt.Errorf("push a probe: the push API answered %d: %s", status, answer)
	}
	return push.TraceID, nil
}

// way is what is taken of the console's answer.
type way struct {
	State    string
	Messages []struct {
		State string
		Hops  []struct {
			Kind string
			At   time.Time
		}
	}
}

func (w *way) ended() bool { return len(w.Messages) == 1 && w.Messages[0].State == "delivered" }

// follow notes for each hop when a look found it first.
func (p *prober) follow(ctx context.Context, trace string) {
	p.mu.Lock()
	pause := time.Duration(lookFirst * float64(p.expect))
	p.mu.Unlock()
	began, found := time.Now(), map[string]bool{}
	for ; sleep(ctx, max(pause, lookEvery)) == nil; pause = 0 {
		var w way
		if err := get(ctx, "http://"+p.s.cfg.Console+"/v1/traces/"+trace, &w); err == nil {
			p.note(&w, found, began)
		}
		if w.ended() {
			return
		}
	}
	p.fail(fmt.Errorf("the probe %s was not found as delivered within %s", trace, time.Since(began).Round(time.Second)))
}

// note takes in an answer that has come now.
func (p *prober) note(w *way, found map[string]bool, began time.Time) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range w.Messages {
		for _, h := range m.Hops {
			if len(found) == 0 {
				p.expect = (p.expect + now.Sub(began)) / 2
			}
			if !found[h.Kind] {
				found[h.Kind] = true
				p.delays = append(p.delays, float64(now.Sub(h.At))/float64(time.Millisecond))
			}
		}
	}
}
