package load

import (
	"fmt"
	"slices"
	"strings"
)

// durable is what the figures promise, said beside them.
const durable = "*Durable* here: a push that was answered with 202, and every fact of its way, is in the log's files and survives a kill -9 of every " +
	"process.\nA power cut may take the newest records: the embedded broker does not fsync each append, nor does Apache Kafka. With `--sync` it does\n" +
	"(case `sync`); three brokers keep three copies instead (case `kafka-3`)."

const headline = `# Pushes, measured from outside

Written by ` + "`make bench`" + `; [README.md](README.md) says how to read it, [push.json](push.json) has every run.

| | |
|---|---|
| measured | %s |
| command | %s |
| machine | %s |
| built with | %s |

1,000 devices, bodies of 200 bytes, everything on one machine: the load generator shares the cores with the one process of
` + "`waybill dev`" + ` and its two engines. Each case runs on a fresh Waybill; figures are medians of its runs, warm-up excluded. A push
counts when it was answered with 202 and its device has it; after each run every accepted push had arrived once and had an outcome
in the funnel, else the run stands under *Errors*.

%s

## Goals

*First* is what the first ` + "`make bench`" + ` found, before anything was tuned ([first.json](first.json)).

`

// Page is the page of docs/benchmarks.
func (b *Book) Page() string {
	var w strings.Builder
	fmt.Fprintf(&w, headline, b.days(), b.each(func(e *Entry) string { return "`" + e.Command + "`" }), b.each(func(e *Entry) string {
		return fmt.Sprintf("%d cores, %s, Linux %s", e.Machine.Cores, e.Machine.Model, e.Machine.Kernel)
	}), b.each(func(e *Entry) string { return e.Machine.Go }), durable)
	b.writeGoals(&w)
	b.writeRates(&w)
	b.writeCPU(&w)
	for _, e := range b.Entries {
		e.writeProfile(&w)
	}
	for _, e := range b.Entries {
		e.writeReplays(&w)
	}
	for _, e := range b.Entries {
		e.writeStill(&w)
	}
	b.writeRuns(&w)
	b.writeErrors(&w)
	return w.String()
}

// each is what the entries say, every different answer once.
func (b *Book) each(say func(*Entry) string) string {
	var all []string
	for i := range b.Entries {
		if s := say(&b.Entries[i]); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return strings.Join(all, "; ")
}

func (b *Book) days() string {
	var all []string
	for _, e := range b.Entries {
		if day := e.When.Format("2006-01-02"); !slices.Contains(all, day) {
			all = append(all, day)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (b *Book) writeGoals(w *strings.Builder) {
	w.WriteString(figureHead())
	for _, e := range b.Entries {
		for _, f := range e.Figures {
			w.WriteString(e.row(f, b.first[f.Key]))
		}
	}
	missed := b.Missed()
	switch whole := !slices.ContainsFunc(b.Entries, func(e Entry) bool { return len(e.Errors) > 0 }); {
	case len(missed) > 0:
		fmt.Fprintf(w, "\n**Missed: %s.**\n", strings.Join(missed, ", "))
	case whole:
		w.WriteString("\nEvery goal holds.\n")
	default:
		w.WriteString("\nEvery goal holds, **but not every run is whole**: see *Errors*.\n")
	}
}

// loaded entries have latencies to show.
func (b *Book) loaded() (all []*Entry) {
	for i := range b.Entries {
		if e := &b.Entries[i]; e.Median.Rate > 0 && e.Profile == nil && e.Replays == nil {
			all = append(all, e)
		}
	}
	return all
}

func (b *Book) writeRates(w *strings.Builder) {
	w.WriteString("\n## Rates and latencies\n\n" +
		"| case | messages/s | of the echo server | p50 ms | p99 | p99.9 | max | drained s | traced s | hop found p50 / p99 ms | repeats | generator late ms | waited | others' CPU |\n" +
		"|" + strings.Repeat("---|", 14) + "\n")
	for _, e := range b.loaded() {
		e.rateRow(w)
	}
	w.WriteString("\nLatency is counted from the call to the device: in an open loop from the time at which the call was meant to be made, for uplinks until\n" +
		"the gate's acknowledgement, in a storm from the moment in which the devices begin to come back. *Drained* is the time from the last call\n" +
		"until the last device had its push; *traced*, until the funnel had every outcome. *Hop found*: a probe pushes every two seconds during the run\n" +
		"and asks the console for its way; counted is, for each hop, from its own time to the answer that had it first, over the hops (\"of\") of all runs together.\n\n" +
		"*Generator late* is in the latencies and is not Waybill's: p99 of a call after its time (open loops), or else the p99 of what a frame waited\n" +
		"while the generator served other devices, at most. *Waited* is the share of the time in which the devices' thread wanted a core and had\n" +
		"none. *Others' CPU* is the share of the machine that neither Waybill nor the generator used: what it is above a few percent, the figures\n" +
		"are below what the machine can do.\n")
}

func (e *Entry) rateRow(w *strings.Builder) {
	m := e.Median
	ratio, traced, found := "–", "–", "–"
	if e.Echo != nil && e.Echo.Rate > 0 {
		ratio = fmt.Sprintf("%.3f", m.Rate/e.Echo.Rate)
	}
	if m.Traced > 0 {
		traced = fmt.Sprintf("%.2f", m.Traced)
	}
	if m.Visible != nil {
		found = fmt.Sprintf("%.0f / %.0f of %d", m.Visible.P50, m.Visible.P99, m.Probes)
	}
	var repeats int64
	for _, run := range e.Runs {
		repeats += run.Repeats
	}
	late := m.Own.SendP99
	if late == 0 {
		late = m.Own.ReadP99
	}
	fmt.Fprintf(w, "| %s | %s | %s | %.2f | %.2f | %.2f | %.0f | %.2f | %s | %s | %d | %.2f | %.0f %% | %.0f %% |\n", e.Name, thousands(m.Rate), ratio,
		m.Latency.P50, m.Latency.P99, m.Latency.P999, m.Latency.Max, m.Drain, traced, found, repeats, late, 100*m.Own.Waited, 100*m.Others)
}

func (b *Book) writeCPU(w *strings.Builder) {
	w.WriteString("\n## CPU seconds for 10,000 messages\n\n| case | all | by process |\n|---|---|---|\n")
	for _, e := range b.loaded() {
		fmt.Fprintf(w, "| %s | %.3f | %s |\n", e.Name, cost(e.Key, e).Value, cpuText(e.Median.CPU))
	}
}

func (b *Book) writeRuns(w *strings.Builder) {
	w.WriteString("\n## Every run\n\n| case | messages/s | echo server/s | measured |\n|---|---|---|---|\n")
	for _, e := range b.loaded() {
		var rates []string
		yardstick := "–"
		if e.Echo != nil {
			yardstick = thousands(e.Echo.Rate)
		}
		for _, run := range e.Runs {
			rates = append(rates, thousands(run.Rate))
		}
		fmt.Fprintf(w, "| %s (`%s`) | %s | %s | %s |\n", e.Name, e.Key, strings.Join(rates, " · "), yardstick, e.When.Format("2006-01-02 15:04"))
	}
}

func (b *Book) writeErrors(w *strings.Builder) {
	w.WriteString("\n## Errors\n\n")
	none := true
	for _, e := range b.Entries {
		for _, text := range e.Errors {
			none = false
			fmt.Fprintf(w, "- %s: %s\n", e.Name, strings.Join(strings.Fields(text), " "))
		}
	}
	if none {
		w.WriteString("None.\n")
	}
}

// thousands writes a whole number with separators.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
