package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Replay is one projector alone on a recorded log, from its first event until
// its last row is stored.
type Replay struct {
	Only    string             `json:"only"` // session or hop
	Events  float64            `json:"events"`
	Seconds float64            `json:"seconds"`
	Rate    float64            `json:"rate"` // events a second
	CPU     map[string]float64 `json:"cpu_seconds_per_10k"`
	Others  float64            `json:"others"`
}

const (
	// replayLook is the pause between two looks at a projector's metrics; the
	// time of a replay is right to one of them.
	replayLook = 25 * time.Millisecond
	// replayQuiet is for how long nothing may have changed, with nothing left to
	// read: longer than a projector gathers.
	replayQuiet = 2 * time.Second
	// replayPatience bounds how long nothing may be read.
	replayPatience = time.Minute
)

// projected is how far a projector is.
type projected struct{ read, stored, lag float64 }

func howFar(m series) projected {
	p := projected{
		read: m.sum("waybill_log_read_total", `topic="waybill.events`) + m.sum("waybill_log_read_total", `topic="waybill.uplink`),
		lag:  m.sum("waybill_log_lag", ""),
	}
	for _, name := range []string{
		"waybill_projector_session_rows_total", "waybill_projector_session_flush_duration_seconds_count",
		"waybill_projector_hop_rows_total", "waybill_projector_hop_insert_duration_seconds_count",
	} {
		p.stored += m.sum(name, "")
	}
	return p
}

// MeasureReplay watches a projector that has just been started (Target.Metrics)
// until it has stored everything.
func MeasureReplay(ctx context.Context, t Target) (Replay, error) {
	return measureReplay(ctx, t, replayQuiet)
}

func measureReplay(ctx context.Context, t Target, enough time.Duration) (r Replay, err error) {
	procs := processes{roots: t.PIDs}
	var w watch
	w.note(projected{}, time.Now())
	before := procs.usage()
	for used := before; ; {
		m, err := scrape(ctx, t.Metrics)
		if err != nil {
			return r, err
		}
		now := time.Now()
		if w.note(howFar(m), now) {
			used = procs.usage()
		}
		if !w.begun {
			before = used
		}
		quiet := now.Sub(w.changed)
		if w.begun && w.last.lag == 0 && quiet > enough {
			return w.replay(used.since(before)), nil
		}
		if quiet > replayPatience {
			return r, fmt.Errorf("the projector stands still: %.0f events read, %.0f to go", w.last.read, w.last.lag)
		}
		if err := sleep(ctx, replayLook); err != nil {
			return r, err
		}
	}
}

// watch is what was seen of a replay.
type watch struct {
	last    projected
	begun   bool
	began   time.Time // the last look that found nothing read
	changed time.Time // the last look that found something new
}

// note says whether anything has changed.
func (w *watch) note(p projected, now time.Time) bool {
	if !w.begun && p.read == 0 {
		w.began, w.changed = now, now
		return true
	}
	w.begun = true
	moved := p.read != w.last.read || p.stored != w.last.stored
	if moved {
		w.changed = now
	}
	w.last = p
	return moved
}

func (w *watch) replay(used usage) Replay {
	seconds := w.changed.Sub(w.began).Seconds()
	r := Replay{Events: w.last.read, Seconds: seconds, Rate: w.last.read / seconds, Others: used.others(seconds)}
	delete(used, self)
	r.CPU = used.per10k(w.last.read)
	return r
}

// runReplays records a log with stages that no projector reads, then lets each
// projector read a copy of it alone, as often as the suite repeats.
func runReplays(ctx context.Context, s *Suite, e *Entry) error {
	dir, err := os.MkdirTemp("", "waybill-replay-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	recorded := filepath.Join(dir, "log")
	if err := s.record(ctx, recorded, e); err != nil {
		return fmt.Errorf("record a log: %w", err)
	}
	var errs []error
	for range s.Runs {
		for _, only := range []string{"session", "hop"} {
			r, err := s.replay(ctx, recorded, only)
			if err != nil {
				errs = append(errs, fmt.Errorf("replay into %s: %w", only, err))
				continue
			}
			s.Say(fmt.Sprintf("  %s: %.0f events in %.1f s, %.0f a second, CPU s/10k %s", only, r.Events, r.Seconds, r.Rate, cpuText(r.CPU)))
			e.Replays = append(e.Replays, r)
		}
	}
	return errors.Join(errs...)
}

// record makes the log: one closed loop whose hops nobody looks up.
func (s *Suite) record(ctx context.Context, dir string, e *Entry) error {
	unread := func(ctx context.Context, s *Suite) (Target, func() error, error) {
		return s.Start.Split(ctx, SplitOptions{LogDir: dir, NoProjectors: true})
	}
	return s.with(ctx, unread, streamed, func(session *Session) error {
		run, err := session.Push(ctx)
		s.Say("  recorded: " + run.line())
		e.Runs, e.Median = []Run{run}, median([]Run{run})
		return err
	})
}

// replay of a copy: a projector leaves its marks in the log's groups.
func (s *Suite) replay(ctx context.Context, recorded, only string) (r Replay, err error) {
	dir, err := os.MkdirTemp(filepath.Dir(recorded), "copy-")
	if err != nil {
		return r, fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	log := filepath.Join(dir, "log")
	if err := os.CopyFS(log, os.DirFS(recorded)); err != nil {
		return r, fmt.Errorf("copy the log: %w", err)
	}
	target, stop, err := s.Start.Projector(ctx, ProjectorOptions{LogDir: log, Only: only})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	r, err = MeasureReplay(ctx, target)
	r.Only = only
	return r, err
}

func replayFigures(e *Entry) []Figure {
	rates := map[string][]float64{}
	for _, r := range e.Replays {
		rates[r.Only] = append(rates[r.Only], r.Rate)
	}
	of := func(only string) float64 {
		if len(rates[only]) == 0 {
			return 0
		}
		return middle(rates[only])
	}
	return []Figure{
		{"replay.session", "into Postgres", "events/s", of("session"), Goal{AtLeast: 150_000}},
		{"replay.hop", "into ClickHouse", "events/s", of("hop"), Goal{AtLeast: 150_000}},
	}
}
