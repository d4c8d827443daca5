package crash

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"waybill/internal/load"
	"waybill/schemas"
)

const pageHead = `# The crash run

Written by ` + "`make crash`" + `, a row for each seed. What a run is stands in the package comment of internal/e2e/crash: every stage as a
process, three Apache Kafka brokers with three copies of everything, Postgres and ClickHouse; %s pushes a minute over HTTP to %d
phones that lose their connections all the time, with every option mixed (ttl 0, collapse keys, cancels before and after their push,
deliver_at, first device wins, one device of several, and an app whose users may have one device and change it), while processes are
killed with -9, and a gate and a delivery worker are stopped for %.0f s and woken. Some users are away meanwhile: their pushes wait. When all faults have stopped and all other phones are home, Postgres is
dropped, with everything that is still connected and still owed, and must be replayed to the same checksum; then who was away comes
home. In the end the log, read without Waybill's own reader, the callers' counts and what the applications noted must agree, push by
push, in content and order; the funnel must add up to the log, and ClickHouse must have each of its hops once.

| | |
|---|---|
| command | ` + "`make crash SEEDS=\"%s\"`" + ` |
| machine | %d cores, %s, Linux %s; shared with other work |
| built with | %s |

- *killed*, *stopped*: processes; ` + "`+b`" + ` a broker that leads, ` + "`+p`" + ` Postgres, ` + "`+c`" + ` ClickHouse; ` + "`r`" + ` a gate was replaced while it was stopped.
- *refused*: how often a push was answered with busy or unknown; *no answer*: how often its call broke off before; *said again*: how
  often a push went into another call, under the same push id, which is the sum of both. In rows of 2026-11-25 *no answer* counted a call
  that had no answer at all as one, however many pushes were in it. *connections*: how often a phone came home.
- *repeats*: pushes that the log has a second time, and that ended as withdrawn, duplicate. *unconfirmed*: dispatched, and ended by
  their short ttl before an acknowledgement. *lost*: ended by a short ttl, most of them for users that nobody is.
- *handed over*: pushes that an application was handed, on any device. *last outcome*: after the end of all faults,
  of all that is for users who are not away.
- *options*: pushes that were collapsed, that were canceled, from which a device was spared because another was the first, and that waited for
  their time. A row of more than 20,000 accepted pushes is of a longer run (` + "`PUSHES=100000`" + `). Rows without them are of runs in which
  nobody asked for any of that.

| seed | date | killed | stopped | refused | no answer | said again | connections | accepted | repeats | delivered | lost | unconfirmed | handed over | last outcome | violations | options |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

// WritePage adds the run to a page, or takes the place of the same seed's row.
func WritePage(path string, r *Result) error {
	rows, err := readRows(path)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	own := r.row()
	rows = slices.DeleteFunc(rows, func(row string) bool { return seedOf(row) == r.Seed && longer(row) == longer(own) })
	rows = append(rows, own)
	slices.SortStableFunc(rows, func(a, b string) int { return cmp.Compare(seedOf(a), seedOf(b)) })
	var seeds []string
	for _, row := range rows {
		seeds = append(seeds, fmt.Sprint(seedOf(row)))
	}
	m := load.ReadMachine()
	var b bytes.Buffer
	fmt.Fprintf(&b, pageHead, thousands(Pushes), Devices, pauseFor.Seconds(), strings.Join(slices.Compact(seeds), " "), m.Cores, m.Model, m.Kernel, m.Go)
	for _, row := range rows {
		b.WriteString(row + "\n")
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// readRows finds the rows that begin with a seed; a page that is not there has
// none.
func readRows(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var rows []string
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		if seedOf(s.Text()) != 0 {
			rows = append(rows, s.Text())
		}
	}
	return rows, errors.Join(err, s.Err())
}

// seedOf a row; 0 = it is none.
func seedOf(row string) uint64 {
	cells := strings.Split(row, "|")
	if len(cells) < 3 {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(cells[1]), 10, 64) // text is no seed
	return n
}

// longer says whether a row is of more pushes than usual.
func longer(row string) bool {
	const accepted = 9
	cells := strings.Split(row, "|")
	return len(cells) > accepted && len(strings.TrimSpace(cells[accepted])) > len(thousands(Pushes))
}

// row of the table.
func (r *Result) row() string {
	last := "–"
	if r.Settling > 0 {
		last = fmt.Sprintf("%.1f s", r.Settling.Seconds())
	}
	cells := []string{
		fmt.Sprint(r.Seed), r.Began.Format(time.DateOnly), r.short(Kill), r.short(Pause, Replace),
		thousands(r.refused + r.doubtful), thousands(r.unanswered), thousands(r.retried), thousands(int64(r.homes)),
		thousands(r.accepted), thousands(int64(r.repeats())), thousands(int64(r.outcomes.Of(schemas.Class_CLASS_DELIVERED))),
		thousands(int64(r.outcomes.Of(schemas.Class_CLASS_LOST))), thousands(int64(r.outcomes.Of(schemas.Class_CLASS_UNCONFIRMED))),
		thousands(int64(r.handed)), last, thousands(int64(len(r.Violations))),
		fmt.Sprintf("%d, %d, %d, %d", r.did.collapsed, r.did.canceled+r.did.early, r.did.elsewhere, r.did.delayed),
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func (r *Result) repeats() int {
	return r.outcomes.Ends[schemas.Class_CLASS_WITHDRAWN][schemas.Reason_REASON_DUPLICATE]
}

// short is how many stages a fault happened to, and a letter for whoever else,
// behind how often.
func (r *Result) short(kinds ...Kind) string {
	n, others := 0, make(map[string]int)
	for _, f := range r.Faults {
		switch {
		case !slices.Contains(kinds, f.Kind):
		case f.Target == leader, f.Target == postgresDB, f.Target == clickhouse:
			others[f.Target[:1]]++
		default:
			if n++; f.Kind == Replace {
				others["r"]++
			}
		}
	}
	text := fmt.Sprint(n)
	for _, letter := range slices.Sorted(maps.Keys(others)) {
		sign := map[bool]string{true: " ", false: " +"}[letter == "r"]
		if others[letter] > 1 {
			letter = fmt.Sprint(others[letter]) + letter
		}
		text += sign + letter
	}
	return text
}

// thousands sets commas.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}
