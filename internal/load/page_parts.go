package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// writeProfile tells a profile in words and as a table.
func (e *Entry) writeProfile(w *strings.Builder) {
	p := e.Profile
	if p == nil || len(p.Parts) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Where the time goes\n\nOne push costs the process of `waybill dev` %.1f µs of a core (closed loop, 8 streams, %s pushes/s while it was sampled, %.1f s of\n"+
		"CPU seen). %s\n\n| what | µs | share | of it in system calls | of it allocating |\n|---|---|---|---|---|\n",
		p.PerPush, thousands(e.Median.Rate), p.Seconds, p.words())
	for _, part := range p.Parts {
		fmt.Fprintf(w, "| %s | %.1f | %.1f %% | %.1f %% | %.1f %% |\n", part.Name, part.Micros, 100*part.Share, 100*part.Kernel, 100*part.Memory)
	}
	w.WriteString("\nA sample belongs to the innermost function whose package has a row here: what the log's client does for a stage is the client's, what\n" +
		"a stage lets the standard library do is the stage's. Engines that are other processes stand in the table before.\n")
}

// words name what is at least a twelfth, the largest first, and the sums.
func (p *Profile) words() string {
	var large []string
	var kernel, memory float64
	for _, part := range p.Parts {
		kernel, memory = kernel+part.Kernel, memory+part.Memory
		if part.Share >= 1.0/12 {
			large = append(large, fmt.Sprintf("%s %.1f", part.Name, part.Micros))
		}
	}
	return fmt.Sprintf("The largest parts: %s. In all, %.0f %% is system calls (sockets, files) and %.0f %% allocation.",
		strings.Join(large, ", "), 100*kernel, 100*memory)
}

func (e *Entry) writeReplays(w *strings.Builder) {
	if len(e.Replays) == 0 || len(e.Runs) == 0 {
		return
	}
	fmt.Fprintf(w, "\n## Projectors alone\n\nA closed loop was recorded (%s pushes), by stages that nobody projected. Then each projector alone, in a process of its own, read a copy of\n"+
		"that log from an embedded broker in another process into a database without rows, from the first event read until the last row was stored.\n\n"+
		"| into | events | seconds | events/s | CPU seconds for 10,000 events |\n|---|---|---|---|---|\n", thousands(float64(e.Runs[0].Accepted)))
	into := map[string]string{"session": "Postgres", "hop": "ClickHouse"}
	for _, only := range []string{"session", "hop"} {
		for _, r := range e.Replays {
			if r.Only == only {
				fmt.Fprintf(w, "| %s | %s | %.2f | %s | %s |\n", into[only], thousands(r.Events), r.Seconds, thousands(r.Rate), cpuText(r.CPU))
			}
		}
	}
}

// writeStill tells what connections cost that do nothing.
func (e *Entry) writeStill(w *strings.Builder) {
	if i := e.Idle; i != nil {
		fmt.Fprintf(w, "\n## Idle connections\n\nA gate alone in its process, plain TCP, devices logged in; the slope from %s to %s connections.\n\n"+
			"| connections | PSS MB | Go heap and stacks MB |\n|---|---|---|\n| %s | %.1f | %.1f |\n| %s | %.1f | %.1f |\n",
			thousands(float64(i.From)), thousands(float64(i.To)),
			thousands(float64(i.From)), float64(i.At.PSS)/1e6, float64(i.At.Heap)/1e6,
			thousands(float64(i.To)), float64(i.Then.PSS)/1e6, float64(i.Then.Heap)/1e6)
	}
	if r := e.Rest; r != nil {
		fmt.Fprintf(w, "\n## At rest\n\n`waybill dev` with %d devices that only hold their connections, %.0f s.\n\n| process | %% of a core | PSS MB |\n|---|---|---|\n",
			r.Devices, r.Seconds)
		for _, role := range slices.Sorted(maps.Keys(r.PSS)) {
			fmt.Fprintf(w, "| %s | %.2f | %.0f |\n", role, 100*r.CPU[role], float64(r.PSS[role])/1e6)
		}
	}
}
