package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"waybill/internal/app"
)

type redriveCmd struct {
	Console string         `help:"The console, which knows the dead letters." default:"http://127.0.0.1:7490" env:"WAYBILL_CONSOLE_URL"`
	To      string         `help:"The push API." default:"http://127.0.0.1:7480" env:"WAYBILL_PUSH_API"`
	Key     string         `help:"API key of the app; default: the one of the dev directory." env:"WAYBILL_API_KEY"`
	Dir     string         `help:"The dev directory." default:".waybill" type:"path" env:"WAYBILL_DIR"`
	Push    []string       `arg:"" optional:"" name:"push-id" help:"Push ids of dead letters: 32 hex digits."`
	App     string         `help:"Of this app; default: the one of the dev directory."`
	User    string         `help:"Of this user."`
	Label   string         `help:"Of this label."`
	Class   string         `help:"lost or unconfirmed."`
	Reason  string         `help:"Ended by this reason, such as expired."`
	Since   time.Duration  `help:"Ended within this time." default:"24h"`
	TTL     *time.Duration `help:"How long the new pushes may wait; default: as the dead ones."`
	DryRun  bool           `help:"Only list what would be pushed again."`
}

// Help says what a person should know before.
func (redriveCmd) Help() string {
	return `Push dead letters again: those that are named, or all of an app that fit the filters and have not been pushed again yet.

A redrive is a new push of the old trace, with the body that the log still has; it is said of each what became of it. Of an
unconfirmed push nobody knows whether its device has it: it may see it twice.

    waybill redrive 0198c0ffee0070008000000000000001
    waybill redrive --reason expired --since 2h --ttl 10m --dry-run`
}

// Validate says what is wrong and what is allowed.
func (c *redriveCmd) Validate() error {
	filtered := c.User != "" || c.Label != "" || c.Class != "" || c.Reason != ""
	switch {
	case len(c.Push) > 0 && filtered:
		return errors.New("push ids and filters stand together; allowed: push ids, or --user, --label, --class and --reason")
	case len(c.Push) == 0 && !filtered:
		return errors.New("neither push ids nor filters; allowed: push ids, or one or more of --user, --label, --class and --reason")
	case c.TTL != nil && *c.TTL < 0:
		return fmt.Errorf("--ttl is %s; allowed: 0 (now or never) or more", *c.TTL)
	}
	return checkAbove("--since", c.Since)
}

// letter is what the console says of a dead letter, as far as it is needed.
type letter struct {
	ID       string    `json:"push_id"`
	App      string    `json:"app"`
	User     string    `json:"user"`
	Position uint64    `json:"push_position"`
	Reason   string    `json:"reason"`
	Ended    time.Time `json:"ended"`
	Redriven bool      `json:"redriven"`
}

// Run looks the letters up, pushes them again and prints what became of each.
func (c *redriveCmd) Run(ctx context.Context) error {
	if err := c.identify(); err != nil {
		return err
	}
	letters, err := c.letters(ctx)
	if err != nil {
		return err
	}
	failed := 0
	for len(letters) > 0 {
		n := min(redrivesAtOnce, len(letters))
		left, err := c.again(ctx, os.Stdout, letters[:n])
		if err != nil {
			return err
		}
		letters, failed = letters[n:], failed+left
	}
	if failed > 0 {
		return fmt.Errorf("%d pushes were not pushed again", failed)
	}
	return nil
}

// redrivesAtOnce is what one call of the push API takes.
const redrivesAtOnce = 100

// identify fills in key and app from the dev directory, where they are not given.
func (c *redriveCmd) identify() error {
	if c.Key != "" && (c.App != "" || len(c.Push) > 0) {
		return nil
	}
	if c.Key != "" {
		return errors.New("--key without --app: filters would list the dead letters of every app; allowed: --app beside it")
	}
	a, err := app.LoadDevApp(filepath.Join(c.Dir, "app.json"))
	if err != nil {
		return fmt.Errorf("no --key and no dev directory: %w", err)
	}
	c.Key = a.APIKey
	if c.App == "" {
		c.App = a.Name
	}
	return nil
}

// letters are those that are named, or those that fit and have not been pushed
// again.
func (c *redriveCmd) letters(ctx context.Context) (all []letter, err error) {
	for _, id := range c.Push {
		var one letter
		if err := c.ask(ctx, "/v1/dead-letters/"+url.PathEscape(id), nil, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	if len(c.Push) > 0 {
		return all, nil
	}
	q := url.Values{"from": {time.Now().Add(-c.Since).UTC().Format(time.RFC3339)}, "limit": {"1000"}}
	for name, value := range map[string]string{"app": c.App, "user": c.User, "label": c.Label, "class": c.Class, "reason": c.Reason} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for {
		var page struct {
			Letters []letter `json:"dead_letters"`
			Next    string   `json:"next"`
		}
		if err := c.ask(ctx, "/v1/dead-letters", q, &page); err != nil {
			return nil, err
		}
		for _, l := range page.Letters {
			if !l.Redriven {
				all = append(all, l)
			}
		}
		if page.Next == "" {
			slices.Reverse(all) // the list has the newest first; they died the oldest first
			return all, nil
		}
		q.Set("after", page.Next)
	}
}

func (c *redriveCmd) ask(ctx context.Context, path string, q url.Values, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Console+path+"?"+q.Encode(), http.NoBody)
	if err != nil {
		return fmt.Errorf("make the call: %w", err)
	}
	b, err := answerOf(req, http.StatusOK)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("read the console's answer: %w", err)
	}
	return nil
}

// redriven is the push API's answer to one redrive.
type redriven struct {
	Status string `json:"status"`
	Pushes []struct {
		PushID string `json:"push_id"`
	} `json:"pushes"`
	Error struct {
		Message string `json:"message"`
	} `json:"error"`
}

// again pushes the letters again and says of each what became of it. It returns
// how many were not taken.
func (c *redriveCmd) again(ctx context.Context, w io.Writer, letters []letter) (failed int, err error) {
	if c.DryRun {
		for _, l := range letters {
			fmt.Fprintf(w, "%s  %s  %s  %s\n", l.ID, l.Ended.UTC().Format(time.DateTime), l.Reason, l.User)
		}
		return 0, nil
	}
	answers, err := c.post(ctx, letters)
	if err != nil {
		return 0, err
	}
	for i, a := range answers {
		if a.Status == "accepted" {
			fmt.Fprintf(w, "%s  accepted as %s\n", letters[i].ID, a.Pushes[0].PushID)
			continue
		}
		failed++
		fmt.Fprintf(w, "%s  %s  %s\n", letters[i].ID, a.Status, a.Error.Message)
	}
	return failed, nil
}

func (c *redriveCmd) post(ctx context.Context, letters []letter) (answers []redriven, err error) {
	calls := make([]map[string]any, len(letters))
	for i, l := range letters {
		calls[i] = map[string]any{"user": l.User, "push_position": l.Position}
		if c.TTL != nil {
			calls[i]["ttl"] = c.TTL.Seconds()
		}
	}
	body, err := json.Marshal(calls)
	if err != nil {
		return nil, fmt.Errorf("encode redrives: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.To+"/v1/redrives", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the call: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", req.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	// Each has its own answer, whatever the status of the call; what is no array
	// is about the call as a whole.
	if json.Unmarshal(text, &answers) != nil || len(answers) != len(letters) {
		return nil, fmt.Errorf("%s answered %s: %s", req.URL.Host, resp.Status, bytes.TrimSpace(text))
	}
	return answers, nil
}
