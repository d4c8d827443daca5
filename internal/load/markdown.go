package load

import (
	"fmt"
	"io"
	"strings"
)

// durable is what the figures promise, said beside them.
const durable = "*Durable* here: a push that was answered with 202, and every fact of its way, is in the log's files and survives a kill -9 of every " +
	"process. A power cut may take the newest records: the embedded broker does not fsync each append (`waybill dev --sync` does; it is many times slower)."

const headline = `# Pushes, measured from outside

Written by ` + "`make bench`" + `; [README.md](README.md) says how to read it.

| | |
|---|---|
| date | %s |
| command | ` + "`%s`" + ` |
| machine | %d cores, %s, Linux %s |
| built with | %s |

1,000 devices, bodies of 200 bytes, everything on one machine: the load generator shares the cores with the one process of
` + "`waybill dev`" + ` and its two engines. Each case runs on a fresh Waybill; figures are medians of its runs, warm-up excluded. A push
counts when it was answered with 202 and its device has it; after each run every accepted push had arrived once and had an outcome
in the funnel, else the run stands under *Errors*.

%s

`

// WriteMarkdown tells the report to those who read docs/benchmarks.
func (r Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, headline, r.Began.UTC().Format("2006-01-02"), r.Command, m.Cores, m.Model, m.Kernel, m.Go, durable)
	b.WriteString("| case | messages/s | of the echo server | p50 ms | p99 | p99.9 | max | drained s | traced s | repeats | others' CPU |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range r.Cases {
		c.row(&b)
	}
	r.writeCPU(&b)
	r.writeIdle(&b)
	r.writeRuns(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Case) row(b *strings.Builder) {
	m := c.Median
	ratio := "–"
	if c.Echo.Rate > 0 {
		ratio = fmt.Sprintf("%.3f", m.Rate/c.Echo.Rate)
	}
	traced := "–"
	if m.Traced > 0 {
		traced = fmt.Sprintf("%.2f", m.Traced)
	}
	fmt.Fprintf(b, "| %s | %s | %s | %.2f | %.2f | %.2f | %.0f | %.2f | %s | %d | %.0f %% |\n", c.Name, thousands(m.Rate), ratio,
		m.Latency.P50, m.Latency.P99, m.Latency.P999, m.Latency.Max, m.Drain, traced, c.repeats(), 100*m.Others)
}

func (c Case) repeats() (n int64) {
	for _, run := range c.Runs {
		n += run.Repeats
	}
	return n
}

func (r Report) writeCPU(b *strings.Builder) {
	b.WriteString("\nLatency is counted from the call to the device: in an open loop from the time at which the call was meant to be made; for uplinks\n" +
		"until the gate's acknowledgement. *Drained* is the time from the last call until the last device had its push; *traced*, until the\n" +
		"funnel had every outcome. *Others' CPU* is the share of the machine that neither Waybill nor the generator used: what it is above a\n" +
		"few percent, the figures are below what the machine can do.\n\n## CPU seconds for 10,000 messages\n\n| case | dev | clickhouse | postgres | load | all |\n|---|---|---|---|---|---|\n")
	for _, c := range r.Cases {
		cpu, all := c.Median.CPU, 0.0
		for _, v := range cpu {
			all += v
		}
		fmt.Fprintf(b, "| %s | %.3f | %.3f | %.3f | %.3f | %.3f |\n", c.Name, cpu["dev"], cpu["clickhouse"], cpu["postgres"], cpu[self], all)
	}
}

func (r Report) writeIdle(b *strings.Builder) {
	if r.Idle == nil {
		return
	}
	i := r.Idle
	fmt.Fprintf(b, "\n## Idle connections\n\nA gate alone in its process, plain TCP, devices logged in; the slope from %s to %s connections.\n\n"+
		"| | bytes for each connection |\n|---|---|\n| memory of the process (PSS) | %s |\n| Go heap and stacks in use after a collection | %s |\n\n"+
		"Logins on the way there: %s a second.\n",
		thousands(float64(i.From)), thousands(float64(i.To)), thousands(i.PSSEach), thousands(i.HeapEach), thousands(i.LoginRate))
}

func (r Report) writeRuns(b *strings.Builder) {
	b.WriteString("\n## Every run\n\n| case | messages/s | echo server/s |\n|---|---|---|\n")
	for _, c := range r.Cases {
		var rates []string
		for _, run := range c.Runs {
			rates = append(rates, thousands(run.Rate))
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", c.Name, strings.Join(rates, " · "), thousands(c.Echo.Rate))
	}
	b.WriteString("\n## Errors\n\n")
	if len(r.Errors) == 0 {
		b.WriteString("None.\n")
	}
	for _, e := range r.Errors {
		fmt.Fprintf(b, "- %s\n", strings.ReplaceAll(e, "\n", " "))
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
