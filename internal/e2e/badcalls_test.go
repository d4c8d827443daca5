package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"waybill/internal/app"
	"waybill/internal/e2e/ledger"
)

// TestBadCalls: a call that is wrong is refused whole, with the field and what
// is allowed, and nothing of it is in the log.
func TestBadCalls(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	big := `"` + strings.Repeat("x", 33<<10) + `"`
	for _, c := range []struct {
		name, key, body string
		status          int
		field           string
	}{
		{"no key", "", `{"user":"u","family":7,"json":1}`, 401, ""},
		{"unknown key", "wb_nobody", `{"user":"u","family":7,"json":1}`, 401, ""},
		{"no JSON", w.App.APIKey, `{"user":"u",`, 400, ""},
		{"empty", w.App.APIKey, ``, 400, ""},
		{"no user", w.App.APIKey, `{"family":7,"json":1}`, 400, "user"},
		{"empty user", w.App.APIKey, `{"user":"","family":7,"json":1}`, 400, "user"},
		{"no users", w.App.APIKey, `{"users":[],"family":7,"json":1}`, 400, "users"},
		{"user twice", w.App.APIKey, `{"users":["u","u"],"family":7,"json":1}`, 400, "users[1]"},
		{"negative ttl", w.App.APIKey, `{"user":"u","family":7,"json":1,"ttl":-1}`, 400, "ttl"},
		{"too long ttl", w.App.APIKey, `{"user":"u","family":7,"json":1,"ttl":518401}`, 400, "ttl"},
		{"family of the session", w.App.APIKey, `{"user":"u","family":0,"json":1}`, 400, "family"},
		{"no body", w.App.APIKey, `{"user":"u","family":7}`, 400, "body"},
		{"two bodies", w.App.APIKey, `{"user":"u","family":7,"json":1,"body":"AA=="}`, 400, "body"},
		{"no base64", w.App.APIKey, `{"user":"u","family":7,"body":"*"}`, 400, "body"},
		{"body over the limit", w.App.APIKey, `{"user":"u","family":7,"json":` + big + `}`, 400, "json"},
		{"unknown field", w.App.APIKey, `{"user":"u","family":7,"json":1,"colour":"red"}`, 400, `"colour"`},
		{"one of a batch", w.App.APIKey, `[{"user":"u","family":7,"json":1},{"user":"u","family":7,"json":1,"ttl":-1}]`, 400, "ttl"},
		{"call over the limit", w.App.APIKey, `[` + strings.Repeat(`{"user":"u","family":7,"json":1},`, 300000) + `]`, 413, ""},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			header := map[string]string{"Content-Type": "application/json"}
			if c.key != "" {
				header["Authorization"] = "Bearer " + c.key
			}
			resp, b, err := call(t.Context(), http.MethodPost, w.url(app.DevIngest)+"/v1/pushes", header, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			var a answer
			if err := json.Unmarshal(b, &a); err != nil {
				t.Fatalf("%s: %s is no answer: %v", resp.Status, b, err)
			}
			if resp.StatusCode != c.status || a.Status != "refused" || a.Error.Field != c.field || a.Error.Message == "" {
				t.Errorf("got %s: %s; want %d about %q", resp.Status, b, c.status, c.field)
			}
			if c.status == http.StatusBadRequest && a.Error.Allowed == "" {
				t.Errorf("the answer does not say what is allowed: %s", b)
			}
		})
	}
	w.push(request{User: "last"}) // behind whatever else got in
	w.partitionOf("last")
	w.books.Look(func(l *ledger.Ledger) {
		if len(l.Order) != 1 {
			t.Errorf("the log has %d pushes, want the last one only", len(l.Order))
		}
	})
}
