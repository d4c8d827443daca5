package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

// reading is what the tools that ask the console share.
type reading struct {
	Console string `help:"The console." default:"http://127.0.0.1:7490" env:"WAYBILL_CONSOLE_URL"`
	JSON    bool   `help:"Print JSON instead of text." name:"json"`
}

// show asks the console and prints its answer.
func (r reading) show(ctx context.Context, path string, query url.Values) error {
	u := r.Console + path
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, http.NoBody)
	if err != nil {
		return fmt.Errorf("make the call: %w", err)
	}
	req.Header.Set("Accept", "text/plain")
	if r.JSON {
		req.Header.Set("Accept", "application/json")
	}
	b, err := answerOf(req, http.StatusOK)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}

type traceCmd struct {
	reading
	ID string `arg:"" help:"Trace id or push id: 32 hex digits."`
}

// Run prints the message's way.
func (c *traceCmd) Run(ctx context.Context) error {
	return c.show(ctx, "/v1/traces/"+url.PathEscape(c.ID), nil)
}

type funnelCmd struct {
	reading
	App   string        `help:"App; empty for all."`
	Label string        `help:"Label; empty for all."`
	Since time.Duration `help:"How far back." default:"1h"`
}

// Run prints the funnel.
func (c *funnelCmd) Run(ctx context.Context) error {
	q := url.Values{"from": {time.Now().Add(-c.Since).UTC().Format(time.RFC3339)}}
	if c.App != "" {
		q.Set("app", c.App)
	}
	if c.Label != "" {
		q.Set("label", c.Label)
	}
	return c.show(ctx, "/v1/funnel", q)
}
