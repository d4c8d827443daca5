package pages

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// standIns play programs that pages use and that a machine on which the tests
// run may not have. Each knows what the pages ask of it and no more.
func standIns() map[string]func(arguments []string) {
	return map[string]func([]string){"curl": curl, "openssl": openssl}
}

// standIn makes path the stand-in of its name: this test binary.
func standIn(t testing.TB, path string) {
	t.Helper()
	self, err := os.Executable()
	if err == nil {
		err = os.Symlink(self, path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// curl [-d BODY] [-H HEADER] [--fail-with-body] URL
func curl(arguments []string) {
	var body, url string
	header, fail := make(http.Header), false
	for i := 0; i < len(arguments); i++ {
		switch a := arguments[i]; a {
		case "-d":
			i++
			body = arguments[i]
		case "-H":
			i++
			name, value, _ := strings.Cut(arguments[i], ": ")
			header.Set(name, value)
		case "--fail-with-body":
			fail = true
		default:
			url = a
		}
	}
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	quit(err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	quit(err)
	_, err = io.Copy(os.Stdout, resp.Body)
	quit(err)
	if fail && resp.StatusCode >= http.StatusBadRequest {
		quit(fmt.Errorf("answered %s", resp.Status))
	}
}

// openssl rand -hex 32
func openssl(arguments []string) {
	if strings.Join(arguments, " ") != "rand -hex 32" {
		quit(fmt.Errorf("the stand-in of openssl does not know %q", arguments))
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	fmt.Printf("%x\n", b)
}

// quit ends a stand-in as its program would.
func quit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestStandIns(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/wrong" {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Header.Get("Accept"), body)
	}))
	defer server.Close()
	dir := t.TempDir()
	run := func(name string, arguments ...string) (string, error) {
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err != nil {
			standIn(t, path)
		}
		out, err := exec.CommandContext(t.Context(), path, arguments...).Output()
		return string(out), err
	}
	if out, err := run("curl", "-d", "b", "-H", "Accept: text/plain", server.URL+"/wrong"); err != nil || out != "POST text/plain b" {
		t.Errorf("curl -d: %q, %v", out, err)
	}
	if out, err := run("curl", server.URL+"/wrong", "--fail-with-body"); err == nil || out != "GET  " {
		t.Errorf("curl --fail-with-body: %q, %v", out, err)
	}
	if out, err := run("openssl", "rand", "-hex", "32"); err != nil || len(out) != 65 {
		t.Errorf("openssl: %q, %v", out, err)
	}
}
