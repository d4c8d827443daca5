package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"waybill/internal/app"
	"waybill/schemas"
)

// request is a push request of the API, as far as the tests use it.
type request struct {
	User   string   `json:"user,omitempty"`
	Users  []string `json:"users,omitempty"`
	Device string   `json:"device,omitempty"`
	Family int      `json:"family"`
	JSON   any      `json:"json"`
	TTL    *float64 `json:"ttl,omitempty"`
	Label  string   `json:"label,omitempty"`
	PushID string   `json:"push_id,omitempty"`
}

// answer is the API's to one push request.
type answer struct {
	Status string `json:"status"`
	Trace  string `json:"trace_id"`
	Pushes []struct {
		User   string `json:"user"`
		PushID string `json:"push_id"`
		Status string `json:"status"`
	} `json:"pushes"`
	Error struct {
		Reason, Field, Problem, Allowed, Message string
	} `json:"error"`
}

// call makes one HTTP call, on a connection of its own.
func call(ctx context.Context, method, url string, header map[string]string, body []byte) (*http.Response, []byte, error) {
	return callOn(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, method, url, header, body)
}

// callOn makes one HTTP call and reads its answer whole.
func callOn(ctx context.Context, c *http.Client, method, url string, header map[string]string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp, b, err
}

// post pushes; body is one request or a slice of them.
func (w *world) post(ctx context.Context, body any) (*http.Response, []byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, nil, err
	}
	return call(ctx, http.MethodPost, w.url(app.DevIngest)+"/v1/pushes", w.pushHeader(), b)
}

func (w *world) pushHeader() map[string]string {
	return map[string]string{"Authorization": "Bearer " + w.App.APIKey, "Content-Type": "application/json"}
}

// push pushes one request, which must be accepted.
func (w *world) push(r request) answer {
	w.t.Helper()
	if r.Family == 0 {
		r.Family = 7
	}
	if r.JSON == nil {
		r.JSON = "hello"
	}
	resp, b, err := w.post(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal(b, &a); err != nil || resp.StatusCode != http.StatusAccepted {
		w.t.Fatalf("push to %s%v: %s: %s", r.User, r.Users, resp.Status, b)
	}
	return a
}

// id of the nth push of an answer.
func (a answer) id(t testing.TB, n int) schemas.ID {
	t.Helper()
	id, err := schemas.ParseID(a.Pushes[n].PushID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// get asks the console.
func (w *world) get(path, accept string) (int, []byte, error) {
	resp, b, err := call(w.t.Context(), http.MethodGet, w.url(app.DevConsole)+path, map[string]string{"Accept": accept}, nil)
	if err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, b, nil
}

// getJSON asks the console for something that must be there.
func (w *world) getJSON(path string, into any) error {
	status, b, err := w.get(path, "application/json")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d: %s", status, b)
	}
	return json.Unmarshal(b, into)
}

// seconds is a ttl.
func seconds(s float64) *float64 { return &s }
