package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"waybill/internal/app"
)

type pushCmd struct {
	To      string        `help:"The push API." default:"http://127.0.0.1:7480" env:"WAYBILL_PUSH_API"`
	Key     string        `help:"API key of the app; default: the one of the dev directory." env:"WAYBILL_API_KEY"`
	Dir     string        `help:"The dev directory." default:".waybill" type:"path" env:"WAYBILL_DIR"`
	User    []string      `help:"User to push to; may be given again." required:""`
	Family  uint16        `help:"Family of the message, from 1." default:"1"`
	Command uint16        `help:"Command within the family." default:"0"`
	Body    string        `help:"The body as text." xor:"body" required:""`
	JSON    string        `help:"The body as JSON." name:"json" xor:"body" required:""`
	TTL     time.Duration `help:"How long it may wait for the device; 0 is now or never." default:"24h"`
	Label   string        `help:"What analysts group by."`
	PushID  string        `help:"Your own name for it: a second push of the same name is not delivered."`
}

// Run pushes once and prints the answer.
func (c *pushCmd) Run(ctx context.Context) error {
	key := c.Key
	if key == "" {
		a, err := app.LoadDevApp(filepath.Join(c.Dir, "app.json"))
		if err != nil {
			return fmt.Errorf("no --key and no dev directory: %w", err)
		}
		key = a.APIKey
	}
	answer, err := c.post(ctx, key)
	if err != nil {
		return err
	}
	fmt.Println(string(bytes.TrimSpace(answer)))
	return nil
}

func (c *pushCmd) request() ([]byte, error) {
	req := map[string]any{"users": c.User, "family": c.Family, "command": c.Command, "ttl": c.TTL.Seconds()}
	if c.JSON != "" {
		req["json"] = json.RawMessage(c.JSON)
	} else {
		req["body"] = base64.StdEncoding.EncodeToString([]byte(c.Body))
	}
	if c.Label != "" {
		req["label"] = c.Label
	}
	if c.PushID != "" {
		req["push_id"] = c.PushID
	}
	b, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode the push (is --json valid JSON?): %w", err)
	}
	return b, nil
}

func (c *pushCmd) post(ctx context.Context, key string) ([]byte, error) {
	body, err := c.request()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.To+"/v1/pushes", bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the call: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	return answerOf(req, http.StatusAccepted)
}

// answerOf makes the call and reads its answer; another status is an error
// that says what the server said.
func answerOf(req *http.Request, want int) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", req.URL, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s answered %s: %s", req.URL.Host, resp.Status, bytes.TrimSpace(b))
	}
	return b, nil
}
