package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// probeEvery is the pause between two probes, lookEvery that between two
	// looks for one: together some 50 lookups a second, 2 % of a core.
	probeEvery = 150 * time.Millisecond
	lookEvery  = 100 * time.Millisecond
)

// prober pushes now and then and looks the push up again and again, until its
// whole way is there: how long after its happening can each hop be found?
type prober struct {
	s     *Session
	body  []byte
	looks sync.WaitGroup
	stop  context.CancelFunc // ends the looking

	mu     sync.Mutex
	delays []float64 // guarded by mu; milliseconds, of each hop
	err    error     // guarded by mu; the first one
}

func (s *Session) newProber() *prober {
	return &prober{
		s: s, stop: func() {},
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
	for ; ctx.Err() == nil; _ = sleep(ctx, probeEvery) {
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
	run.Visible, run.Probes = latencyOf(p.delays), len(p.delays)
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
	found := map[string]bool{}
	for {
		var w way
		err := get(ctx, "http://"+p.s.cfg.Console+"/v1/traces/"+trace, &w)
		now := time.Now()
		if err == nil {
			p.note(&w, found, now)
		}
		if w.ended() {
			return
		}
		if sleep(ctx, lookEvery) != nil {
			p.fail(fmt.Errorf("the probe %s was not found as delivered within %s: %w", trace, patience, errors.Join(err, errIncomplete)))
			return
		}
	}
}

var errIncomplete = errors.New("its way is not whole")

func (p *prober) note(w *way, found map[string]bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range w.Messages {
		for _, h := range m.Hops {
			if !found[h.Kind] {
				found[h.Kind] = true
				p.delays = append(p.delays, float64(now.Sub(h.At))/float64(time.Millisecond))
			}
		}
	}
}
