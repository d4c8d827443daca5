package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"waybill/schemas"
)

// answer is what a question leads to, in a form for each reader.
type answer struct {
	status int
	page   string // template
	title  string
	query  url.Values
	body   any
	text   string // for a terminal
	reload int    // seconds after which a page looks again; 0 = never
}

// problem is an answer that is none.
type problem struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// badRequest names what was wrong and what is allowed.
func badRequest(format string, args ...any) answer {
	return trouble(http.StatusBadRequest, problem{"bad_request", fmt.Sprintf(format, args...)})
}

func trouble(status int, p problem) answer {
	titles := map[string]string{
		Unknown: "Unknown", TooOld: "Older than the history", NotYet: "Not there yet", NotDead: "No dead letter",
		"bad_request": "That cannot be asked", "unavailable": "No answer",
	}
	return answer{status: status, page: "trouble.html", title: titles[p.Reason], body: p, text: p.Message + "\n"}
}

// question is a request that has been understood.
type question func(ctx context.Context, r *http.Request) (answer, error)

// ask answers an error of ClickHouse in plain words; it is logged once, and
// once that ClickHouse answers again.
func (c *Console) ask(q question, r *http.Request) answer {
	a, err := q(r.Context(), r)
	switch {
	case err == nil:
		if a.status < http.StatusBadRequest && c.away.Swap(false) {
			c.cfg.Logger.Info("clickhouse answers again")
		}
	case r.Context().Err() == nil:
		if !c.away.Swap(true) {
			c.cfg.Logger.Warn("clickhouse does not answer", "err", err)
		}
		a = trouble(http.StatusServiceUnavailable, problem{"unavailable",
			"The history does not answer: ClickHouse is away or too slow. Messages flow without it; nothing is lost, and what happens meanwhile will be here when it is back."})
	default:
		a = trouble(http.StatusServiceUnavailable, problem{"unavailable", "The call was given up."})
	}
	a.query = r.URL.Query()
	if a.reload > 0 && a.status == 0 {
		a.status = http.StatusNotFound
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a
}

// answering serves JSON, or text to who asks for it.
func (c *Console) answering(q question) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := c.ask(q, r)
		if a.status == http.StatusServiceUnavailable || a.reload > 0 {
			w.Header().Set("Retry-After", "1")
		}
		if strings.HasPrefix(r.Header.Get("Accept"), "text/plain") {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(a.status)
			_, _ = w.Write([]byte(a.text)) // an error means that the reader is gone
			return
		}
		body := a.body
		if p, wrong := body.(problem); wrong {
			body = map[string]problem{"error": p}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (c *Console) trace(ctx context.Context, r *http.Request) (answer, error) {
	id, err := schemas.ParseID(r.PathValue("id"))
	if err != nil {
		return badRequest("%q is no id. A trace id or a push id is 32 hex digits; dashes may stand between them.", r.PathValue("id")), nil
	}
	t, err := c.store.trace(ctx, id)
	if err != nil {
		return answer{}, err
	}
	if len(t.Messages) == 0 {
		return c.absent(ctx, id)
	}
	return answer{page: "trace.html", title: t.Verdict, body: t, text: t.Text()}, nil
}

func (c *Console) absent(ctx context.Context, id schemas.ID) (answer, error) {
	newest, err := c.store.newest(ctx)
	if err != nil {
		return answer{}, err
	}
	why := Absent(id, c.now(), newest)
	a := trouble(http.StatusNotFound, problem(why))
	switch why.Reason {
	case TooOld:
		a.status = http.StatusGone
	case NotYet:
		a.reload = 2
	}
	return a, nil
}

// known refuses parameters that mean nothing: a filter with a typo would answer
// another question.
func known(values url.Values, names ...string) error {
	for name := range values {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is no parameter %q; there are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

func (c *Console) pushes(ctx context.Context, r *http.Request) (answer, error) {
	v := r.URL.Query()
	if err := known(v, "app", "user", "label"); err != nil {
		return badRequest("%v.", err), nil
	}
	q := PushQuery{App: v.Get("app"), User: v.Get("user"), Label: v.Get("label")}
	all, err := c.store.pushes(ctx, q, q.since())
	if err != nil {
		return answer{}, err
	}
	var text strings.Builder
	for _, p := range all {
		fmt.Fprintf(&text, "%s  %s  %s  %s  %s\n", p.Accepted.UTC().Format(time.DateTime), p.Trace, p.User, p.State, p.Reason)
	}
	return answer{page: "pushes.html", title: "Pushes", body: map[string]any{"pushes": all}, text: text.String()}, nil
}

// index shows what was accepted last.
func (c *Console) index(ctx context.Context, _ *http.Request) (answer, error) {
	var all []Push
	for _, since := range []time.Duration{time.Minute, time.Hour} {
		var err error
		if all, err = c.store.pushes(ctx, PushQuery{}, since); err != nil {
			return answer{}, err
		}
		if len(all) > 0 {
			break
		}
	}
	return answer{page: "index.html", title: "Waybill", body: map[string]any{"pushes": all[:min(len(all), 15)]}}, nil
}

func (c *Console) funnel(ctx context.Context, r *http.Request) (answer, error) {
	q, err := funnelQuery(r.URL.Query(), c.now())
	if err != nil {
		return badRequest("%v.", err), nil
	}
	f, err := c.store.funnel(ctx, q)
	if err != nil {
		return answer{}, err
	}
	return answer{page: "funnel.html", title: "Funnel", body: f, text: f.Text()}, nil
}

// Bounds of a funnel's rows.
const (
	defaultFunnel = time.Hour
	maxRows       = 2_000
)

func funnelQuery(v url.Values, now time.Time) (FunnelQuery, error) {
	q := FunnelQuery{App: v.Get("app"), Label: v.Get("label")}
	if err := known(v, "app", "label", "from", "to", "every"); err != nil {
		return q, err
	}
	var err error
	if q.To, err = moment(v, "to", now); err != nil {
		return q, err
	}
	if q.From, err = moment(v, "from", q.To.Add(-defaultFunnel)); err != nil {
		return q, err
	}
	// Pushes are counted by the minute: begun minutes count whole.
	q.From, q.To = q.From.Truncate(time.Minute), q.To.Add(time.Minute-1).Truncate(time.Minute)
	if !q.From.Before(q.To) {
		return q, errors.New("from must be before to")
	}
	if s := v.Get("every"); s != "" {
		if q.Every, err = time.ParseDuration(s); err != nil || q.Every < time.Minute || q.Every%time.Minute != 0 {
			return q, fmt.Errorf("every is %q; it must be whole minutes, such as 1m, 15m or 24h", s)
		}
		if q.To.Sub(q.From)/q.Every > maxRows {
			return q, fmt.Errorf("every %s makes more than %d rows of that time; ask for less time or longer stretches", s, maxRows)
		}
	}
	return q, nil
}

// moment reads a time: RFC 3339, or what a browser's form sends, in UTC.
func moment(v url.Values, name string, otherwise time.Time) (time.Time, error) {
	s := v.Get(name)
	if s == "" {
		return otherwise, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is %q; it must be a time such as 2026-11-25T12:00:00Z", name, s)
}
