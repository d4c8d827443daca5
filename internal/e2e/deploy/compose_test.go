package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/e2e/program"
)

// composeFile is compose.yaml, with the keys of the Compose specification that
// it uses; another one is a mistake, or is added here.
type composeFile struct {
	Name     string
	Services map[string]*service
	Volumes  map[string]any
	Secrets  map[string]struct{ File string }
}

type service struct {
	Image, Build    string
	Command         []string
	Restart         string
	DependsOn       map[string]struct{ Condition string } `json:"depends_on"`
	Environment     map[string]string
	Healthcheck     healthcheck
	Ports           []string
	Volumes         []string
	Secrets         []string
	StopGracePeriod string            `json:"stop_grace_period"`
	ReadOnly        string            `json:"read_only"`
	CapDrop         []string          `json:"cap_drop"`
	SecurityOpt     []string          `json:"security_opt"`
	ShmSize         string            `json:"shm_size"`
	Ulimits         map[string]string `json:"ulimits"`
	Logging         struct{ Driver string }
}

type healthcheck struct {
	Test          []string
	Disable       string
	Interval      string
	Timeout       string
	Retries       string
	StartPeriod   string `json:"start_period"`
	StartInterval string `json:"start_interval"`
}

// Conditions of depends_on.
const (
	healthy   = "service_healthy"
	completed = "service_completed_successfully"
)

// image that the Dockerfile makes.
const image = "waybill"

// load reads compose.yaml as compose does with such variables.
func load(t testing.TB, variables map[string]string) *composeFile {
	t.Helper()
	c, err := decode(composeText(t), variables)
	if err != nil {
		t.Fatalf("compose.yaml: %v", err)
	}
	return c
}

func composeText(t testing.TB) string {
	t.Helper()
	return string(program.Read(t, "compose.yaml"))
}

func decode(text string, variables map[string]string) (*composeFile, error) {
	tree, err := readYAML(text)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(tree, func(key string, _ any) bool { return strings.HasPrefix(key, "x-") })
	b, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	var missing []string
	b = variable.ReplaceAllFunc(b, func(found []byte) []byte {
		parts := variable.FindSubmatch(found)
		name, operator, argument := string(parts[1]), string(parts[2]), parts[3]
		switch value, ok := variables[name]; {
		case ok:
			return []byte(value)
		case operator == ":-":
			return argument
		case operator == ":?":
			missing = append(missing, name)
		}
		return nil
	})
	if missing != nil {
		slices.Sort(missing)
		return nil, fmt.Errorf("wants a value: %s", strings.Join(slices.Compact(missing), ", "))
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var c composeFile
	return &c, d.Decode(&c)
}

// variable is ${NAME}, ${NAME:-default} or ${NAME:?what is missing}.
var variable = regexp.MustCompile(`\$\{(\w+)(?:(:[-?])([^}]*))?\}`)

// secrets are what the person brings.
func secrets() map[string]string {
	return map[string]string{"WAYBILL_CLUSTER_KEY": strings.Repeat("c1", 32), "WAYBILL_DB_PASSWORD": strings.Repeat("d2", 32)}
}

// ours are the services that run the binary.
func (c *composeFile) ours() map[string]*service {
	found := maps.Clone(c.Services)
	maps.DeleteFunc(found, func(_ string, s *service) bool { return s.Image != image })
	return found
}

// published are the ports of the container that are to be reached from
// outside, and where.
func (s *service) published(t testing.TB) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, p := range s.Ports {
		cut := strings.LastIndex(p, ":")
		if cut < 0 || strings.Count(p, ":") != 2 {
			t.Fatalf("port %q does not say on which address of the host; allowed: ADDRESS:PORT:PORT", p)
		}
		found[p[cut+1:]] = p[:cut]
	}
	return found
}

func (s *service) grace(t testing.TB) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s.StopGracePeriod)
	if err != nil {
		t.Fatalf("stop_grace_period: %v", err)
	}
	return d
}
