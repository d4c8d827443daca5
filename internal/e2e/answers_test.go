package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/app"
)

// Answers of docs/api.md to a call of one push.
const (
	taken   = http.StatusAccepted           // the log has it
	refusal = http.StatusServiceUnavailable // surely not in the log
	doubt   = http.StatusGatewayTimeout     // may be in the log, now or later
)

const (
	// noticed is how long a partition has taken nothing when it refuses at once: 3 s,
	// and a second for two busy cores.
	noticed = 3*time.Second + time.Second
	// confirmed is how long a call waits for the log before it is in doubt.
	confirmed = 10 * time.Second
)

// absence is when a broker was not there.
type absence struct {
	killed, gone time.Time // before the kill, and after it
	back         time.Time // it answers
	until        time.Time // from here on no call may be refused
	soon         time.Duration
}

// answered is what became of one call.
type answered struct {
	n              int
	due            time.Time // when it was to be made
	made, answered time.Time
	status         int
	retryAfter     string
	err            error
}

// name is the push's own.
func (c answered) name() string { return fmt.Sprintf("call-%d", c.n) }

// post makes one call of one push, whose body is the call's number.
func (l *load) post(ctx context.Context, n int, due time.Time) answered {
	c := answered{n: n, due: due, made: time.Now()}
	body, err := json.Marshal(request{User: l.user(n), Family: 7, JSON: n, PushID: c.name()})
	if err != nil {
		c.err = err
		return c
	}
	resp, _, err := callOn(ctx, l.client, http.MethodPost, l.w.url(app.DevIngest)+"/v1/pushes", l.w.pushHeader(), body)
	c.answered, c.err = time.Now(), err
	if err == nil {
		c.status, c.retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	}
	return c
}

// checkRefusals: once a partition has noticed, and until the broker is back,
// every call is refused; there are such calls.
func (l *load) checkRefusals(a absence) {
	l.w.t.Helper()
	n := 0
	for _, c := range l.calls() {
		if c.made.Before(a.gone.Add(noticed)) || c.answered.After(a.back) {
			continue
		}
		if n++; c.status != refusal {
			l.w.t.Errorf("call %d, made %v after the kill, was answered %d, want 503", c.n, c.made.Sub(a.killed), c.status)
		}
	}
	if n == 0 {
		l.w.t.Error("no call was made while the broker was surely away")
	}
}

// checkAnswers: each call has one of the answers that docs/api.md allows it.
func (l *load) checkAnswers(a absence) {
	l.w.t.Helper()
	for _, c := range l.calls() {
		if wrong := a.wrong(c); wrong != "" {
			l.w.t.Errorf("call %d, made %v after the kill, was answered %d after %v: %s", c.n, c.made.Sub(a.killed), c.status, c.answered.Sub(c.made), wrong)
		}
	}
}

// wrong says why a call may not have had its answer; "" = it may.
func (a absence) wrong(c answered) string {
	took := c.answered.Sub(c.made)
	switch {
	case c.err != nil:
		return c.err.Error()
	case c.status == taken:
		return "" // checkHanded says whether that is true
	case c.status != refusal && c.status != doubt:
		return "no such answer is documented"
	case c.answered.Before(a.killed):
		return "the broker was there"
	case c.made.After(a.until):
		return "by then calls are taken again"
	case c.retryAfter == "":
		return "without Retry-After"
	case c.status == refusal && took > a.soon:
		return "a refusal comes at once"
	case c.status == doubt && took < confirmed:
		return "nothing is in doubt so early"
	case c.status == doubt && c.made.After(a.gone.Add(noticed)):
		return "by then its partition must have refused it"
	}
	return ""
}

// sayAgain says every call that is in doubt once more, under the same name, as
// docs/api.md wants it; each must be taken.
func (l *load) sayAgain() {
	l.w.t.Helper()
	var g errgroup.Group
	g.SetLimit(8)
	for _, c := range l.calls() {
		if c.status != doubt {
			continue
		}
		g.Go(func() error {
			if again := l.post(l.w.t.Context(), c.n, time.Now()); again.err != nil || again.status != taken {
				return errors.Join(fmt.Errorf("call %d, said again, was answered %d", c.n, again.status), again.err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		l.w.t.Error(err)
	}
}

// checkHanded: what was taken was handed over once, what was refused never, and
// what was in doubt, and taken when it was said again, once.
func (l *load) checkHanded(phones []*phone) {
	l.w.t.Helper()
	times := make(map[string]int)
	for _, p := range phones {
		for _, push := range p.got() {
			times[string(push.Body)]++
		}
	}
	for _, c := range l.calls() {
		want := 1
		if c.status == refusal {
			want = 0
		}
		if n := times[strconv.Itoa(c.n)]; n != want {
			l.w.t.Errorf("the push of call %d, answered %d, was handed over %d times, want %d", c.n, c.status, n, want)
		}
	}
}

// describe counts the answers to calls that were made before, in and after the
// absence, and says when the last ones of each kind were made.
func (l *load) describe(a absence) string {
	counts := make(map[string]int)
	last := make(map[int]time.Time)
	for _, c := range l.calls() {
		when := "before"
		if c.made.After(a.back) {
			when = "after"
		} else if c.answered.After(a.killed) {
			when = "meanwhile"
		}
		counts[fmt.Sprintf("%s %d", when, c.status)]++
		if c.made.After(last[c.status]) {
			last[c.status] = c.made
		}
	}
	text := strings.TrimPrefix(fmt.Sprint(counts), "map")
	if at := last[doubt]; !at.IsZero() {
		text += fmt.Sprintf("; the last 504 was made %v after the kill", at.Sub(a.killed).Round(time.Millisecond))
	}
	if at := last[refusal]; !at.IsZero() {
		text += fmt.Sprintf("; the last 503 was made %v after the return", at.Sub(a.back).Round(time.Millisecond))
	}
	return text
}
