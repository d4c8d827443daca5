package pages

import (
	"regexp"
	"strings"
)

// rule says how a command of a page is run. Those that are known by their form
// need none:
//
//	make TARGET         make knows what to do for it (make -n)
//	curl …              asks the one dev; what it answers is like the JSON behind it
//	waybill STAGE …     runs on engines of its own until the page's end, healthy
//	waybill load …      once, short, with few devices; after the first --spawn of a
//	                    page on the one dev, where that will do
//	docker compose …    not run; internal/e2e/deploy runs what compose.yaml says
type rule struct {
	page, text string
	run        string // in place of the text; empty: the text itself
	up         string // it goes on until the page's end; this it says when it is up
	want       string // what its output is to match, within a while
	not        string // it is not run; this is why, and what shows it in its place
}

func rules() []rule {
	return []rule{
		{page: "README.md", text: "make demo", run: dryRun + "demo | grep -x 'bin/waybill demo' && bin/waybill demo --drivers 20 --for 2s", want: `without an outcome +0`},
		{page: "README.md", text: "make test", not: "it is what runs this"},
		{page: "README.md", text: "make build", not: "program.Main builds the binary with the command that make prints for it"},
		{page: "README.md", text: "bin/waybill dev", up: "Waybill is up after"},
		{page: "README.md", text: "bin/waybill device --user anna", up: "connected"},
		{page: "README.md", text: `bin/waybill push --user anna --json '{"hello":"road"}'`, want: `"trace_id":"[0-9a-f]{32}".*"status":"accepted"`},
		{page: "README.md", text: "bin/waybill trace TRACE-ID", want: "delivered to device anna-phone"},
		{page: "README.md", text: "bin/waybill funnel", want: `delivered +acked +1`},
		{page: "README.md", text: `printf 'WAYBILL_%s\n' CLUSTER_KEY=$(openssl rand -hex 32) DB_PASSWORD=$(openssl rand -hex 32) >.env`},
		{page: "README.md", text: `printf '{"apps": [{"name": "freight", "api_keys": [{"id": "a", "key": "%s"}], "token_keys": [{"id": "k", "algorithm": "HS256", "secret": "%s"}]}]}\n' $(openssl rand -hex 32) $(openssl rand -hex 32) >apps.json`},
		{
			page: "docs/operations.md", text: "waybill revoke --kafka HOST:9092 --app freight --user driver-7 --device 3f2a… --session 0199e5a0…",
			run: "waybill revoke --kafka HOST:9092 --app freight --user driver-7 --device 3f2a --session 0199e5a00000700080000000000000a0",
		},
		{page: "docs/benchmarks/README.md", text: "go tool pprof http://127.0.0.1:7499/debug/pprof/profile?seconds=5", not: "it opens a prompt; internal/telemetry serves the address"},
		{page: "docs/benchmarks/README.md", text: "waybill load push --dir .waybill --pid $(pgrep -f 'waybill dev')", run: "waybill load push --dir .waybill --pid DEV-PID" + short},
	}
}

// dryRun asks make what it would do.
const dryRun = `make --no-print-directory --directory "$ROOT" -n `

// short makes a measurement a trial: the last flag of a name counts.
const short = " --devices 20 --duration 300ms --warmup 100ms --runs 1"

// measures is what short fits.
var measures = regexp.MustCompile(`^(?:bin/)?waybill load \w+ .*--(spawn|dir)\b`)

// own is what only a Waybill of the command's own has.
var own = regexp.MustCompile(`--(split|gates)\b`)

// stages run until they are told to stop.
var stages = regexp.MustCompile(`^(?:bin/)?waybill (gate|ingest|delivery|projector|console)\b`)

// keeping are the commands that work on an installation's engines and end.
var keeping = regexp.MustCompile(`^(?:bin/)?waybill (migrate|rebuild|revoke)\b`)

// find is the rule of a command; ok is false where nobody knows one.
func find(path string, c command) (r rule, ok bool) {
	text := c.text
	for _, r := range rules() {
		if r.page == path && r.text == text {
			return r, true
		}
	}
	r = rule{page: path, text: text}
	switch words := strings.Fields(strings.TrimPrefix(text, "bin/")); {
	case words[0] == "curl" && c.answer == "":
		r.run = text + " --fail-with-body"
	case words[0] == "curl":
	case words[0] == "make":
		r.run = dryRun + strings.Join(words[1:], " ")
	case stages.MatchString(text), keeping.MatchString(text):
	case measures.MatchString(text):
		r.run = text + short
	case strings.HasPrefix(text, "waybill load bench --list"):
	case len(words) > 1 && words[0] == "docker" && words[1] == "compose":
		r.not = "there may be no Docker; internal/e2e/deploy runs what compose.yaml says"
	default:
		return r, false
	}
	return r, true
}
