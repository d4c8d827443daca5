package console

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// FunnelQuery says what a funnel counts: pushes by the minute in which they
// were accepted, From inclusive, To exclusive.
type FunnelQuery struct {
	App, Label string // empty = all
	From, To   time.Time
	// Every is the width of a row; 0 = one row for the whole time.
	Every time.Duration
}

// Funnel is how far the pushes of a time came, and why they ended.
type Funnel struct {
	App     string    `json:"app,omitempty"`
	Label   string    `json:"label,omitempty"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Total   Steps     `json:"total"`
	Rows    []Row     `json:"rows"`
	Endings []Ending  `json:"endings"`
}

// Steps of a funnel. A later step implies the earlier ones; in flight is what
// was accepted and has not ended. How far a push in flight has come is counted
// when it ends.
type Steps struct {
	Accepted   uint64 `json:"accepted"`
	Dispatched uint64 `json:"dispatched"`
	Sent       uint64 `json:"sent"`
	Delivered  uint64 `json:"delivered"`
	Opened     uint64 `json:"opened"`
	InFlight   uint64 `json:"in_flight"`
}

// Row is the funnel of one label in one stretch of time.
type Row struct {
	Time  time.Time `json:"time"`
	App   string    `json:"app"`
	Label string    `json:"label"`
	Steps
}

// Ending counts the pushes that ended for one reason.
type Ending struct {
	Class     string `json:"class"`
	Reason    string `json:"reason"`
	Explained string `json:"explained"`
	Count     uint64 `json:"count"`
}

const funnelWhere = `
FROM funnel WHERE minute >= {from:DateTime} AND minute < {to:DateTime}
  AND ({app:String} = '' OR app = {app:String}) AND ({label:String} = '' OR label = {label:String})`

const funnelRows = `
SELECT toDateTime(intDiv(toUnixTimestamp(minute), {every:UInt32}) * {every:UInt32}, 'UTC') AS time, app, label,
       sum(accepted), sum(dispatched), sum(sent), sum(delivered), sum(opened), sum(accepted) - sum(ended)` +
	funnelWhere + `
GROUP BY time, app, label ORDER BY time, app, label`

const funnelEndings = `SELECT class, reason, sum(ended) AS n` + funnelWhere + `
GROUP BY class, reason HAVING n > 0 ORDER BY n DESC, class, reason`

// forever is a stretch into which every time falls.
const forever = 1<<32 - 1

func (q FunnelQuery) params() params {
	every := uint32(forever)
	if q.Every > 0 {
		every = uint32(q.Every / time.Second)
	}
	return params{
		"from": q.From.UTC().Format(time.DateTime), "to": q.To.UTC().Format(time.DateTime),
		"app": q.App, "label": q.Label, "every": fmt.Sprint(every),
	}
}

func (s *store) funnel(ctx context.Context, q FunnelQuery) (Funnel, error) {
	f := Funnel{App: q.App, Label: q.Label, From: q.From, To: q.To, Rows: []Row{}, Endings: []Ending{}}
	err := s.each(ctx, funnelRows, q.params(), func(rows driver.Rows) error {
		var r Row
		var inFlight int64
		err := rows.Scan(&r.Time, &r.App, &r.Label, &r.Accepted, &r.Dispatched, &r.Sent, &r.Delivered, &r.Opened, &inFlight)
		r.InFlight = uint64(max(0, inFlight)) // below 0 while an outcome is written and its acceptance is not
		if q.Every == 0 {
			r.Time = q.From
		}
		f.Rows = append(f.Rows, r)
		f.Total.add(r.Steps)
		return err
	})
	if err != nil {
		return f, fmt.Errorf("count the funnel: %w", err)
	}
	err = s.each(ctx, funnelEndings, q.params(), func(rows driver.Rows) error {
		var e Ending
		err := rows.Scan(&e.Class, &e.Reason, &e.Count)
		e.Explained = explain(e.Reason)
		f.Endings = append(f.Endings, e)
		return err
	})
	if err != nil {
		return f, fmt.Errorf("count the endings: %w", err)
	}
	return f, nil
}

func (s *Steps) add(o Steps) {
	s.Accepted += o.Accepted
	s.Dispatched += o.Dispatched
	s.Sent += o.Sent
	s.Delivered += o.Delivered
	s.Opened += o.Opened
	s.InFlight += o.InFlight
}

// Text is the funnel for a terminal.
func (f Funnel) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s to %s UTC\n\n", f.From.UTC().Format(time.DateTime), f.To.UTC().Format(time.DateTime))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "time\tapp\tlabel\taccepted\tdispatched\tsent\tdelivered\tin flight")
	for _, r := range f.Rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Time.UTC().Format(time.DateTime), r.App, r.Label, r.text())
	}
	fmt.Fprintf(w, "total\t\t\t%s\n", f.Total.text())
	_ = w.Flush() // a strings.Builder takes everything
	b.WriteByte('\n')
	for _, e := range f.Endings {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", e.Class, e.Reason, e.Count, e.Explained)
	}
	_ = w.Flush()
	return b.String()
}

func (s Steps) text() string {
	return fmt.Sprintf("%d\t%d\t%d\t%d\t%d", s.Accepted, s.Dispatched, s.Sent, s.Delivered, s.InFlight)
}

// Bar is one step on the page.
type Bar struct {
	Name  string
	Count uint64
}

// Bars are the steps in their order.
func (s Steps) Bars() []Bar {
	return []Bar{{"accepted", s.Accepted}, {"dispatched", s.Dispatched}, {"sent", s.Sent}, {"delivered", s.Delivered}, {"opened", s.Opened}}
}
