package pages

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"waybill/internal/control"
	"waybill/internal/e2e/program"
)

// binary is what every command here runs.
var binary string

func TestMain(m *testing.M) {
	if stand := standIns()[filepath.Base(os.Args[0])]; stand != nil {
		stand(os.Args[1:])
		return
	}
	os.Exit(program.Main(m, &binary))
}

// TestPages runs the commands of every page, in order.
func TestPages(t *testing.T) {
	w := newWorld(t)
	stands := make(map[rule]bool)
	for _, path := range pages(t) {
		p := readPage(t, path)
		w.writeApps(t, p)
		for _, c := range p.commands {
			r, ok := find(path, c)
			if !ok {
				t.Errorf("%s:%d: nobody knows how to run %q: give it a row in rules() of internal/e2e/pages/rules_test.go, or take the command from the page", path, c.line, c.text)
				continue
			}
			stands[r] = true
			if talksToDev(c.text) {
				w.needDev()
			}
			began := time.Now()
			w.run(t, r, c)
			t.Logf("%5.1f s  %s:%d  %s", time.Since(began).Seconds(), path, c.line, c.text)
		}
		for _, c := range p.spans {
			if r, ok := find(path, c); ok && r.not != "" {
				stands[r] = true
				continue
			}
			w.span(t, path, c)
		}
		if path == "README.md" {
			w.composed(t)
		}
		w.endPage(t)
	}
	for _, r := range rules() {
		if !stands[r] {
			t.Errorf("%s no longer has the command %q: take its row from rules()", r.page, r.text)
		}
	}
	if w.dev != nil {
		if err := w.dev.Stop(30 * time.Second); err != nil {
			t.Error(err)
		}
	}
}

// talksToDev says whether a command needs a Waybill that runs.
func talksToDev(text string) bool {
	return strings.HasPrefix(text, "curl ") || strings.Contains(text, "waybill load ") && !strings.Contains(text, "--spawn")
}

// writeApps makes the file of apps that the page shows.
func (w *world) writeApps(t testing.TB, p page) {
	t.Helper()
	for _, text := range p.json {
		if !strings.HasPrefix(text, `{"apps"`) {
			continue
		}
		if _, err := control.ReadFile(strings.NewReader(text)); err != nil {
			t.Errorf("%s shows a file of apps that is refused: %v", p.path, err)
		}
		if err := os.WriteFile(filepath.Join(w.dir, "apps.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// span checks a command within a sentence: its target, or its subcommand and
// flags, exist.
func (w *world) span(t testing.TB, path string, c command) {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(c.text, " FILE", " "+binary)) // any file
	var check *exec.Cmd
	switch name := strings.TrimPrefix(words[0], "bin/"); {
	case name == "waybill" && strings.ToUpper(words[1]) == words[1] && words[1][0] != '-':
		return // waybill STAGE …
	case name == "waybill":
		check = exec.Command(binary, append(words[1:], "--help")...)
	case name == "make":
		check = w.shell(t.Context(), dryRun+strings.Join(words[1:], " "), nil)
	case name == "go" && len(words) > 2 && words[1] == "test": // a benchmark: too long to run here
		check = exec.Command("go", "list", words[2])
		check.Dir = program.Root(t)
	case strings.HasPrefix(name, ".ci/"):
		check = exec.Command("test", "-x", filepath.Join(program.Root(t), name))
	default:
		t.Errorf("%s:%d: nobody knows how to check %q: give it a row in rules() of internal/e2e/pages/rules_test.go", path, c.line, c.text)
		return
	}
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%s:%d: `%s`: %v\n%s", path, c.line, c.text, err, out)
	}
}

// composed: what the README has made beside compose.yaml is what it asks for.
func (w *world) composed(t testing.TB) {
	t.Helper()
	compose := program.Read(t, "compose.yaml")
	env, err := os.ReadFile(filepath.Join(w.dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`\$\{(\w+):\?`).FindAllSubmatch(compose, -1) {
		if !regexp.MustCompile(`(?m)^` + string(found[1]) + `=[0-9a-f]{64}$`).Match(env) {
			t.Errorf("compose.yaml wants %s, which the README's .env does not have:\n%s", found[1], env)
		}
	}
	f, err := os.Open(filepath.Join(w.dir, "apps.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := control.ReadFile(f); err != nil {
		t.Errorf("the README's apps.json is refused: %v", err)
	}
}

func TestAlike(t *testing.T) {
	shown := `{"id": "019…", "n": [{"s": "accepted"}]}`
	if err := like(shown, []byte(`curl: {"id":"0195a","n":[{"s":"accepted"}]}`)); err != nil {
		t.Error(err)
	}
	for _, got := range []string{`{"id":"18","n":[{"s":"accepted"}]}`, `{"id":"019"}`, `{"id":"019","n":[{"s":"busy"}]}`, `{"id":"019","n":[{"s":"accepted"}],"x":1}`, "[]", "{"} {
		if like(shown, []byte(got)) == nil {
			t.Errorf("%s passes for %s", got, shown)
		}
	}
}
