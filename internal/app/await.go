package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

const (
	// lookFor bounds one look at all engines, dialWait the connection that finds
	// out why a broker is silent.
	lookFor  = 3 * time.Second
	dialWait = time.Second
	// lookFirst doubles up to lookMost between two looks.
	lookFirst = 100 * time.Millisecond
	lookMost  = 2 * time.Second
	// sayEvery is how often the same thing is said again.
	sayEvery = 10 * time.Second
)

// await waits until everything that n names is there. While something is
// missing, show is told it in words, and "" in the end; log gets a line for
// what is new and every sayEvery. Its errors are ctx's cause, and an address
// that cannot be one.
func await(ctx context.Context, b Base, n needs, log *slog.Logger, show func(string)) error {
	probes, closers, err := n.probes(b)
	defer func() {
		for _, end := range closers {
			end()
		}
	}()
	if err != nil {
		return err
	}
	began, s := time.Now(), speaker{log: log, show: show}
	for tries := 0; ; tries++ {
		lacks := look(ctx, probes)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.say(lacks)
		if len(lacks) == 0 {
			break
		}
		if !rest(ctx, backoff(tries)) {
			return context.Cause(ctx)
		}
	}
	if !s.at.IsZero() {
		log.Info("waited: everything is there", "seconds", time.Since(began).Seconds())
	}
	return nil
}

func backoff(tries int) time.Duration {
	d := min(lookFirst<<min(tries, 10), lookMost)
	return d/2 + rand.N(d/2)
}

// rest pauses; false when ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look runs all probes at once and keeps their order.
func look(ctx context.Context, probes []probe) (lacks []lack) {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	found := make([]*lack, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() { found[i] = p(ctx) })
	}
	all.Wait()
	for _, l := range found {
		if l != nil {
			lacks = append(lacks, *l)
		}
	}
	return lacks
}

// speaker says what is missing, once in a while.
type speaker struct {
	log  *slog.Logger
	show func(string)
	key  string // what was said last
	at   time.Time
}

func (s *speaker) say(lacks []lack) {
	var keys, words []string
	for _, l := range lacks {
		keys, words = append(keys, l.key), append(words, l.words)
	}
	text, key := strings.Join(words, "; "), strings.Join(keys, ";")
	s.show(text)
	if text == "" || key == s.key && time.Since(s.at) < sayEvery {
		return
	}
	s.key, s.at = key, time.Now()
	s.log.Warn("waiting, and going on by itself when it is there", "for", text)
}

// waits is what a stage waits for; safe for any goroutine.
type waits struct {
	mu    sync.Mutex
	over  bool // everything has been there
	words string
}

func (w *waits) show(words string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.words, w.over = words, words == ""
}

func (w *waits) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over:
		return nil
	case w.words == "":
		return errStarting
	}
	return fmt.Errorf("waits for this: %s", w.words)
}
