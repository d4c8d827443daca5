package pages

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/program"
)

// world is a folder in which commands run as on a person's machine, on ports
// and with variables of its own.
type world struct {
	t       testing.TB
	dir     string
	ports   program.Ports
	dev     *program.Process
	running []*program.Process // until the page's end
	devEnv  []string           // the same ports for dev and for the tools that look for it
	engines program.Engines    // of the stages; started with the first of them
	spawned bool               // a command has started a Waybill of its own
	trace   string             // id of the newest push
	http    *strings.Replacer  // dev's addresses as pages have them → as they are
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	if err := os.Mkdir(filepath.Join(w.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(w.dir, "bin", "waybill")); err != nil {
		t.Fatal(err)
	}
	for name := range standIns() {
		if _, err := exec.LookPath(name); err != nil {
			standIn(t, filepath.Join(w.dir, "bin", name))
		}
	}
	gate, ingest, console, metrics := w.ports.Free(t), w.ports.Free(t), w.ports.Free(t), w.ports.Free(t)
	w.devEnv = []string{
		"WAYBILL_GATES=" + gate, "WAYBILL_GATE=" + gate, "WAYBILL_INGEST=" + ingest, "WAYBILL_PUSH_API=http://" + ingest,
		"WAYBILL_CONSOLE=" + console, "WAYBILL_CONSOLE_URL=http://" + console, "WAYBILL_METRICS=" + metrics,
		"WAYBILL_BROKER=" + w.ports.Free(t),
	}
	w.http = strings.NewReplacer("127.0.0.1:7480", ingest, "127.0.0.1:7490", console)
	return w
}

// shell runs a line as a person's shell would.
func (w *world) shell(ctx context.Context, line string, env []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bash", "-c", line)
	cmd.Dir = w.dir
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "WAYBILL_") || strings.HasPrefix(pair, "WAYBILL_CACHE=") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, "PATH="+filepath.Join(w.dir, "bin")+":"+os.Getenv("PATH"))
	cmd.Env = append(append(cmd.Env, "ROOT="+program.Root(w.t)), env...)
	return cmd
}

// needDev starts the one dev of the world, unless it is there.
func (w *world) needDev() *program.Process {
	w.t.Helper()
	if w.dev == nil {
		w.dev = program.Start(w.t, w.shell(context.Background(), "exec bin/waybill dev", w.devEnv))
		w.dev.AwaitOutput(w.t, regexp.MustCompile(`Waybill is up after`))
	}
	return w.dev
}

// fill puts in what a page leaves to the reader.
func (w *world) fill(text string) string {
	w.t.Helper()
	if strings.Contains(text, "YOUR-API-KEY") {
		a, err := app.LoadDevApp(filepath.Join(w.dir, ".waybill", "app.json"))
		if err != nil {
			w.t.Fatal(err)
		}
		text = strings.ReplaceAll(text, "YOUR-API-KEY", a.APIKey)
	}
	if strings.Contains(text, "DEV-PID") {
		text = strings.ReplaceAll(text, "DEV-PID", fmt.Sprint(w.needDev().PID()))
	}
	return w.http.Replace(strings.ReplaceAll(text, "TRACE-ID", w.trace))
}

// run runs a command by its rule.
func (w *world) run(t testing.TB, r rule, c command) {
	t.Helper()
	line := r.run
	if line == "" {
		line = r.text
	}
	switch {
	case r.not != "":
	case r.text == "bin/waybill dev":
		w.needDev()
	case r.up != "":
		p := program.Start(w.t, w.shell(context.Background(), "exec "+w.fill(line), w.devEnv))
		p.AwaitOutput(t, regexp.MustCompile(r.up))
		w.running = append(w.running, p)
	case stages.MatchString(r.text):
		w.stage(line)
	case measures.MatchString(r.text):
		w.once(t, r, c, w.measure(line))
	default:
		w.once(t, r, c, line)
	}
}

// measure lets the first --spawn start a Waybill; later ones find one.
func (w *world) measure(line string) string {
	w.t.Helper()
	if !strings.Contains(line, "--spawn") || own.MatchString(line) {
		return line
	}
	if !w.spawned {
		w.spawned = true
		return line
	}
	w.needDev()
	return strings.Replace(line, "--spawn", "--dir .waybill", 1)
}

// once runs a command to its end, and again for as long as it does not say what
// is wanted: some answers take a second to be there.
func (w *world) once(t testing.TB, r rule, c command, line string) {
	t.Helper()
	run := func() error {
		out, err := w.shell(t.Context(), w.fillIn(line), w.env(line)).CombinedOutput()
		if err == nil {
			err = says(r, c, out)
		}
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		w.remember(out)
		return nil
	}
	err := run()
	if err != nil && r.want != "" {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		err = bell.Poll(ctx, "what the rule wants", run)
	}
	if err != nil {
		t.Errorf("%s:%d: %s: %v", r.page, c.line, c.text, err)
	}
}

// says compares the output of a command with its rule and its page.
func says(r rule, c command, out []byte) error {
	if !regexp.MustCompile(r.want).Match(out) {
		return fmt.Errorf("its output has no %q", r.want)
	}
	if c.answer == "" {
		return nil
	}
	return like(c.answer, out)
}

// remember keeps the trace id that a push has printed.
func (w *world) remember(out []byte) {
	if found := regexp.MustCompile(`"trace_id":"([0-9a-f]{32})"`).FindSubmatch(out); found != nil {
		w.trace = string(found[1])
	}
}

// env are the variables with which the command runs.
func (w *world) env(line string) []string {
	switch {
	case strings.Contains(line, "--spawn"), strings.Contains(line, "waybill demo"), keeping.MatchString(line):
		return nil // on ports of its own, or on none
	default:
		return w.devEnv
	}
}

// stage starts a stage on the world's engines and waits until it is healthy.
func (w *world) stage(line string) {
	w.t.Helper()
	env := append(w.engineEnv(), "WAYBILL_METRICS="+w.ports.Free(w.t), "WAYBILL_LISTEN="+w.ports.Free(w.t))
	p := program.Start(w.t, w.shell(context.Background(), "exec "+w.fillIn(line), env))
	w.running = append(w.running, p)
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	err := bell.Poll(ctx, line+" to be healthy", func() error {
		out, err := w.shell(ctx, "waybill health", env).CombinedOutput()
		if err != nil && p.Ended() {
			w.t.Fatalf("%s ended:\n%s", line, p.Output())
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		w.t.Fatalf("%v\n%s", err, p.Output())
	}
}

func (w *world) engineEnv() []string {
	w.t.Helper()
	if w.engines.Kafka == "" {
		w.engines = program.StartEngines(w.t, binary, filepath.Join(w.dir, "engines"))
	}
	return []string{"WAYBILL_KAFKA=" + w.engines.Kafka, "WAYBILL_POSTGRES=" + w.engines.Postgres, "WAYBILL_CLICKHOUSE=" + w.engines.ClickHouse}
}

// fillIn is fill, and the addresses of the engines where the page leaves those
// to the reader.
func (w *world) fillIn(line string) string {
	w.t.Helper()
	if keeping.MatchString(line) {
		w.engineEnv()
	}
	line = strings.NewReplacer(
		"--kafka HOST:9092", "--kafka "+w.engines.Kafka,
		"--postgres DSN", "--postgres '"+w.engines.Postgres+"'",
		"--clickhouse DSN", "--clickhouse '"+w.engines.ClickHouse+"'",
		"--cluster-key HEX", "--cluster-key "+strings.Repeat("c1", 32),
	).Replace(line)
	return w.fill(line)
}

// endPage drains what the page has started, the newest first, but for dev.
func (w *world) endPage(t testing.TB) {
	t.Helper()
	for i := len(w.running) - 1; i >= 0; i-- {
		if err := w.running[i].Stop(30 * time.Second); err != nil {
			t.Error(err)
		}
	}
	w.running = nil
}

// like says whether an answer has the shape of the one that a page shows: the
// same fields, and the same values where the page does not shorten them.
func like(shown string, got []byte) error {
	var want, have any
	if err := json.Unmarshal([]byte(shown), &want); err != nil {
		return fmt.Errorf("the page shows no JSON: %w", err)
	}
	if err := json.Unmarshal(got[strings.IndexAny(string(got), "[{"):], &have); err != nil {
		return fmt.Errorf("it answered no JSON: %w", err)
	}
	return alike("", want, have)
}

func alike(at string, want, have any) error {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok || len(have) != len(want) {
			return fmt.Errorf("at %q it answered %v, the page shows %v", at, have, want)
		}
		for key, value := range want {
			if err := alike(at+"."+key, value, have[key]); err != nil {
				return err
			}
		}
	case []any:
		have, ok := have.([]any)
		if !ok || len(have) != len(want) {
			return fmt.Errorf("at %q it answered %v, the page shows %v", at, have, want)
		}
		for i := range want {
			if err := alike(fmt.Sprintf("%s[%d]", at, i), want[i], have[i]); err != nil {
				return err
			}
		}
	case string:
		begin, end, cut := strings.Cut(want, "…")
		text, ok := have.(string)
		if !ok || text != want && !(cut && strings.HasPrefix(text, begin) && strings.HasSuffix(text, end)) {
			return fmt.Errorf("at %q it answered %q, the page shows %q", at, have, want)
		}
	default:
		if want != have {
			return fmt.Errorf("at %q it answered %v, the page shows %v", at, have, want)
		}
	}
	return nil
}
