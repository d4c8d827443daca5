package control

import (
	"time"

	"waybill/schemas"
)

// outcomesAhead is how long before its time a record that turns outcomes on is
// written: a feed that is at work for other apps has read it by then, and so
// passes over nothing.
const outcomesAhead = 5 * time.Second

// outcomes turns the feed of waybill.outcomes.<app> on, from a moment on that is
// near: the record says it, so that every reader of the log begins at the same
// place.
func outcomes(p *schemas.AppPolicy, on bool) {
	if on {
		p.OutcomesSince = time.Now().Add(outcomesAhead).UnixMicro()
	}
}

// keepSince is app with the time at which its outcomes were turned on, if they
// were on in the record before: a change of something else is no new beginning.
func keepSince(before *App, app *schemas.App) *schemas.App {
	since := before.record.GetPolicy().GetOutcomesSince()
	if since == 0 || app.GetPolicy().GetOutcomesSince() == 0 {
		return app
	}
	c := clone(app)
	c.Policy.OutcomesSince = since
	return c
}

// Outcomes are the apps whose outcomes are told in their topics, each with the
// time from which on (microseconds), and a channel that is closed when they may
// be others.
func (v *View) Outcomes() (since map[string]int64, changed <-chan struct{}) {
	s := v.state.Load()
	since = make(map[string]int64)
	for name, app := range s.apps {
		if at := app.record.GetPolicy().GetOutcomesSince(); at > 0 {
			since[name] = at
		}
	}
	return since, s.replaced
}
