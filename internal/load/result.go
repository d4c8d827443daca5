package load

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Latency in milliseconds.
type Latency struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99_9_ms"`
	Max  float64 `json:"max_ms"`
}

// Run is what one run came to. Rate, latency and CPU are those of the measured
// part, the counts those of the whole run.
type Run struct {
	Seconds  float64            `json:"seconds"`
	Messages int64              `json:"messages"`
	Rate     float64            `json:"rate"` // messages a second
	Latency  Latency            `json:"latency"`
	CPU      map[string]float64 `json:"cpu_seconds_per_10k"` // by process
	// CPUSeconds is what each process used in the measured part.
	CPUSeconds map[string]float64 `json:"cpu_seconds,omitempty"`
	Own        Own                `json:"generator"`               // what the generator added
	Others     float64            `json:"others"`                  // share of the machine that somebody else used
	Drain      float64            `json:"drain_seconds"`           // until all had arrived
	Traced     float64            `json:"traced_seconds"`          // until the funnel had every outcome
	Visible    *Latency           `json:"visible,omitempty"`       // from a hop's happening until a lookup found it
	Probes     int                `json:"probes,omitempty"`        // hops that Visible is of
	Delays     []float64          `json:"hop_delays_ms,omitempty"` // those, one by one
	Accepted   uint64             `json:"accepted"`
	Refused    uint64             `json:"refused"`
	Unknown    uint64             `json:"unknown"`
	Repeats    int64              `json:"repeats"`          // dropped by the devices' dedupe
	Drops      int64              `json:"drops"`            // connections that ended unasked
	Unsent     int64              `json:"unsent,omitempty"` // calls of an open loop that were due and never made
}

// Result is several runs of one case; Median takes each figure's median.
type Result struct {
	Name   string   `json:"name"`
	Runs   []Run    `json:"runs"`
	Median Run      `json:"median"`
	Echo   *Run     `json:"echo,omitempty"` // the yardstick, if it was measured
	Errors []string `json:"errors,omitempty"`
}

// Repeat runs a case n times.
func Repeat(name string, n int, once func() (Run, error)) Result {
	r := Result{Name: name}
	for range n {
		run, err := once()
		if err != nil {
			r.Errors = append(r.Errors, err.Error())
		}
		if run.Messages > 0 {
			r.Runs = append(r.Runs, run)
		}
	}
	r.Median = median(r.Runs)
	return r
}

// median of each figure.
func median(runs []Run) (m Run) {
	if len(runs) == 0 {
		return m
	}
	of := func(get func(*Run) float64) float64 {
		v := make([]float64, len(runs))
		for i := range runs {
			v[i] = get(&runs[i])
		}
		return middle(v)
	}
	m.Seconds = runs[0].Seconds
	m.Rate = of(func(r *Run) float64 { return r.Rate })
	m.Latency = Latency{
		P50:  of(func(r *Run) float64 { return r.Latency.P50 }),
		P99:  of(func(r *Run) float64 { return r.Latency.P99 }),
		P999: of(func(r *Run) float64 { return r.Latency.P999 }),
		Max:  of(func(r *Run) float64 { return r.Latency.Max }),
	}
	m.Own = Own{
		SendP99: of(func(r *Run) float64 { return r.Own.SendP99 }),
		ReadP99: of(func(r *Run) float64 { return r.Own.ReadP99 }),
		Waited:  of(func(r *Run) float64 { return r.Own.Waited }),
	}
	m.Visible, m.Probes = visibleOf(runs)
	m.Others = of(func(r *Run) float64 { return r.Others })
	m.Drain = of(func(r *Run) float64 { return r.Drain })
	m.Traced = of(func(r *Run) float64 { return r.Traced })
	m.CPU = map[string]float64{}
	for role := range runs[0].CPU {
		m.CPU[role] = of(func(r *Run) float64 { return r.CPU[role] })
	}
	return m
}

// visibleOf all runs together: one run alone probes too seldom to have a p99.
// nil if none has probed.
func visibleOf(runs []Run) (*Latency, int) {
	var all []float64
	for _, r := range runs {
		all = append(all, r.Delays...)
	}
	return latencyOf(all), len(all)
}

func middle(v []float64) float64 {
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// latencyOf a few values in milliseconds; nil of none.
func latencyOf(v []float64) *Latency {
	if len(v) == 0 {
		return nil
	}
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(int(q*float64(len(v))), len(v)-1)] }
	return &Latency{P50: at(.5), P99: at(.99), P999: at(.999), Max: v[len(v)-1]}
}

// WriteText tells the result to a person.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Name)
	for i, run := range r.Runs {
		fmt.Fprintf(&b, "  run %d   %s\n", i+1, run.line())
	}
	if len(r.Runs) > 1 {
		fmt.Fprintf(&b, "  median  %s\n", r.Median.line())
	}
	if r.Echo != nil && r.Echo.Rate > 0 {
		fmt.Fprintf(&b, "  echo    %8.0f/s: the median is %.3f of it\n", r.Echo.Rate, r.Median.Rate/r.Echo.Rate)
	}
	for _, e := range r.Errors {
		fmt.Fprintf(&b, "  ERROR   %s\n", e)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON tells the result to a program.
func (r Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// tellLag is from how many milliseconds on the generator's own share is told.
const tellLag = .5

func (r Run) line() string {
	s := fmt.Sprintf("%8.0f/s  p50 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms  CPU s/10k %s", r.Rate,
		r.Latency.P50, r.Latency.P99, r.Latency.P999, r.Latency.Max, cpuText(r.CPU))
	if r.Traced > 0 {
		s += fmt.Sprintf("  arrived after %.2f s, traced after %.2f s", r.Drain, r.Traced)
	}
	if late := max(r.Own.SendP99, r.Own.ReadP99); late >= tellLag {
		s += fmt.Sprintf("  of it by the generator p99 send %.2f read %.2f ms", r.Own.SendP99, r.Own.ReadP99)
	}
	if r.Others >= .05 {
		s += fmt.Sprintf("  others used %.0f %% of the machine", 100*r.Others)
	}
	if r.Visible != nil {
		s += fmt.Sprintf("  hops found after p50 %.0f p99 %.0f ms", r.Visible.P50, r.Visible.P99)
	}
	for _, c := range []struct {
		n    int64
		what string
	}{{int64(r.Refused), "refused"}, {int64(r.Unknown), "unknown"}, {r.Repeats, "repeats"}, {r.Drops, "dropped connections"}} {
		if c.n > 0 {
			s += fmt.Sprintf("  %d %s", c.n, c.what)
		}
	}
	return s
}

func cpuText(cpu map[string]float64) string {
	var parts []string
	for _, role := range slices.Sorted(maps.Keys(cpu)) {
		parts = append(parts, fmt.Sprintf("%s %.3f", role, cpu[role]))
	}
	return strings.Join(parts, ", ")
}
