package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// offices are a console with three dead letters, in two pages, and a push API
// that takes all but those of user c.
func offices(t *testing.T) (console, pushAPI string, asked *[]map[string]any) {
	t.Helper()
	letter := func(n int, user string, redriven bool) string {
		return fmt.Sprintf(`{"push_id":"%032d","app":"freight","user":%q,"push_position":%d,"reason":"expired","redriven":%v}`, n, user, n, redriven)
	}
	desk := http.NewServeMux()
	desk.HandleFunc("GET /v1/dead-letters", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("reason") != "expired" || q.Get("app") != "freight" || q.Get("from") == "" {
			t.Errorf("the console is asked %v", q)
		}
		if r.URL.Query().Get("after") == "" {
			fmt.Fprintf(w, `{"dead_letters":[%s,%s],"next":"there"}`, letter(3, "c", false), letter(2, "b", true))
			return
		}
		fmt.Fprintf(w, `{"dead_letters":[%s]}`, letter(1, "a", false))
	})
	desk.HandleFunc("GET /v1/dead-letters/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("id") != "known" {
			http.Error(w, "This push is no dead letter: it is delivered.", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, letter(2, "b", true))
	})
	asked = new([]map[string]any)
	door := http.NewServeMux()
	door.HandleFunc("POST /v1/redrives", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, `{"status":"refused"}`, http.StatusUnauthorized)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(asked); err != nil {
			t.Error(err)
		}
		var answers []string
		for _, x := range *asked {
			if x["user"] == "c" {
				answers = append(answers, `{"status":"refused","error":{"message":"its body is gone"}}`)
			} else {
				answers = append(answers, `{"status":"accepted","pushes":[{"push_id":"new"}]}`)
			}
		}
		w.WriteHeader(http.StatusMultiStatus)
		fmt.Fprintf(w, "[%s]", strings.Join(answers, ","))
	})
	a, b := httptest.NewServer(desk), httptest.NewServer(door)
	t.Cleanup(a.Close)
	t.Cleanup(b.Close)
	return a.URL, b.URL, asked
}

func TestRedriveCommand(t *testing.T) {
	console, pushAPI, asked := offices(t)
	redrive := func(args ...string) error {
		t.Helper()
		c, err := parse(t, append([]string{"redrive", "--console", console, "--to", pushAPI}, args...)...)
		if err != nil {
			t.Fatal(err)
		}
		return c.Redrive.Run(t.Context())
	}
	if err := redrive("--key=secret", "--app=freight", "--reason=expired", "--ttl=30s"); err == nil || err.Error() != "1 pushes were not pushed again" {
		t.Error(err)
	}
	// The oldest first, none that has been pushed again already.
	if got := fmt.Sprint(*asked); got != "[map[push_position:1 ttl:30 user:a] map[push_position:3 ttl:30 user:c]]" {
		t.Errorf("asked for %s", got)
	}
	*asked = nil
	if err := redrive("--key=secret", "--app=freight", "--reason=expired", "--dry-run"); err != nil || *asked != nil {
		t.Errorf("%v, asked for %v", err, *asked)
	}
	if err := redrive("--key=secret", "known"); err != nil || fmt.Sprint(*asked) != "[map[push_position:2 user:b]]" {
		t.Errorf("%v, asked for %v", err, *asked)
	}
	for want, args := range map[string][]string{
		"it is delivered":              {"--key=secret", "unknown"},
		"--app beside it":              {"--key=secret", "--reason=expired"},
		"401 Unauthorized":             {"--key=wrong", "known"},
		"no --key and no dev direct":   {"--dir=" + t.TempDir(), "known"},
		"answered 404 Not Found: This": {"--key=secret", "other"},
	} {
		if err := redrive(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

func TestRedriveFlags(t *testing.T) {
	for args, want := range map[string]string{
		"redrive":                              "neither push ids nor filters",
		"redrive --app=freight":                "neither push ids nor filters",
		"redrive x --reason=expired":           "stand together",
		"redrive --reason=expired --since=-1s": "--since",
		"redrive x --ttl=-1s":                  "--ttl is -1s; allowed: 0",
	} {
		if _, err := parse(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("waybill %s: %v, want %q", args, err, want)
		}
	}
}
