package deploy

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"waybill/internal/app"
	"waybill/internal/e2e/bell"
	"waybill/internal/e2e/program"
)

// rehearsal is compose.yaml at work without containers: each service a process
// with its command and its variables. Of these, only what a container alone has
// is another: the engines' addresses, ports of its own, the path of a secret.
type rehearsal struct {
	t       testing.TB
	file    *composeFile
	engines program.Engines
	apps    string                       // the file of apps
	ports   map[string]map[string]string // service → port in the container → address here
}

// city is the one app of the rehearsal; "dev" is the id of its token key.
var city = app.DevApp{Name: "city", APIKey: strings.Repeat("k", 32), Secret: strings.Repeat("s", 32)}

// rehearse starts the engines and gives each service ports of its own.
func rehearse(t testing.TB) *rehearsal {
	t.Helper()
	dir := t.TempDir()
	r := &rehearsal{
		t: t, file: load(t, secrets()), engines: program.StartEngines(t, binary, dir),
		apps: filepath.Join(dir, "apps.json"), ports: make(map[string]map[string]string),
	}
	text := fmt.Sprintf(`{"apps": [{"name": %q, "api_keys": [{"id": "a", "key": %q}], "token_keys": [{"id": "dev", "algorithm": "HS256", "secret": %q}]}]}`,
		city.Name, city.APIKey, city.Secret)
	if err := os.WriteFile(r.apps, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var free program.Ports
	for name, s := range r.file.ours() {
		r.ports[name] = make(map[string]string)
		for _, key := range []string{"WAYBILL_LISTEN", "WAYBILL_METRICS"} {
			if _, port, ok := strings.Cut(s.Environment[key], ":"); ok {
				r.ports[name][port] = free.Free(t)
			}
		}
	}
	return r
}

// command of a service's process; arguments as in the image.
func (r *rehearsal) command(ctx context.Context, name string, arguments ...string) *exec.Cmd {
	r.t.Helper()
	cmd := exec.CommandContext(ctx, binary, arguments...)
	cmd.Env = []string{"HOME=" + os.Getenv("HOME"), "PATH=" + os.Getenv("PATH")}
	s := r.file.Services[name]
	for key, value := range s.Environment {
		switch {
		case key == "WAYBILL_KAFKA":
			value = r.engines.Kafka
		case key == "WAYBILL_POSTGRES":
			value = r.engines.Postgres
		case key == "WAYBILL_CLICKHOUSE":
			value = r.engines.ClickHouse
		case strings.HasPrefix(value, "/run/secrets/"):
			value = r.secret(s, strings.TrimPrefix(value, "/run/secrets/"))
		case key == "WAYBILL_LISTEN" || key == "WAYBILL_METRICS" || key == "WAYBILL_ADVERTISE":
			value = r.ports[name][value[strings.LastIndex(value, ":")+1:]]
		}
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	return cmd
}

// secret is the file that the service has under that name.
func (r *rehearsal) secret(s *service, name string) string {
	r.t.Helper()
	if !slices.Contains(s.Secrets, name) || r.file.Secrets[name].File == "" {
		r.t.Errorf("secret %s is used and not handed in", name)
	}
	return r.apps
}

// check runs a service's health check once.
func (r *rehearsal) check(name string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), 10*time.Second)
	defer cancel()
	out, err := r.command(ctx, name, r.file.Services[name].Healthcheck.Test[2:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// poll asks until there is no error.
func poll(t testing.TB, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := bell.Poll(ctx, what, ask); err != nil {
		t.Fatal(err)
	}
}

// TestStagesRun starts every service of compose.yaml, waits for the health
// checks, sends a push through each gate, and drains them.
func TestStagesRun(t *testing.T) {
	r := rehearse(t)
	migrate := r.command(t.Context(), "migrate", r.file.Services["migrate"].Command...)
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	running := make(map[string]*program.Process)
	for _, name := range slices.Sorted(maps.Keys(r.file.ours())) {
		if name == "migrate" {
			continue
		}
		if err := r.check(name); err == nil {
			t.Errorf("%s is healthy before it is started", name)
		}
		running[name] = program.Start(t, r.command(context.Background(), name, r.file.Services[name].Command...))
	}
	for name, p := range running {
		poll(t, name+" to be healthy", func() error {
			if p.Ended() {
				t.Fatalf("%s ended:\n%s", name, p.Output())
			}
			return r.check(name)
		})
		r.reach(name)
	}
	r.push()
	for name, p := range running {
		if err := p.Stop(r.file.Services[name].grace(t)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// reach connects to what the service publishes.
func (r *rehearsal) reach(name string) {
	r.t.Helper()
	for port := range r.file.Services[name].published(r.t) {
		address, ok := r.ports[name][port]
		if !ok {
			r.t.Errorf("%s publishes port %s, of which none of its variables speaks", name, port)
			continue
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			r.t.Errorf("%s publishes port %s and does not listen on it: %v", name, port, err)
			continue
		}
		_ = c.Close()
	}
}

// push sends one message to two users, each on a gate of its own, and looks up
// its way.
func (r *rehearsal) push() {
	r.t.Helper()
	devices := make(map[string]*program.Process)
	for gate, user := range map[string]string{"gate-1": "anna", "gate-2": "bob"} {
		token, err := city.Token(user, user+"-phone")
		if err != nil {
			r.t.Fatal(err)
		}
		_, port, _ := strings.Cut(r.file.Services[gate].Environment["WAYBILL_LISTEN"], ":")
		devices[user] = program.Start(r.t, exec.Command(binary, "device", "--gate", r.ports[gate][port], "--user", user,
			"--token", token, "--state", filepath.Join(filepath.Dir(r.apps), user)))
		devices[user].AwaitOutput(r.t, regexp.MustCompile(`connected`))
	}
	tool := func(arguments ...string) (string, error) {
		out, err := exec.CommandContext(r.t.Context(), binary, arguments...).CombinedOutput()
		return string(out), err
	}
	out, err := tool("push", "--to", "http://"+r.ports["ingest"]["7480"], "--key", city.APIKey, "--user", "anna", "--user", "bob", "--json", `{"load":"12 t"}`)
	if err != nil {
		r.t.Fatalf("push: %v\n%s", err, out)
	}
	for user, device := range devices {
		device.AwaitOutput(r.t, regexp.MustCompile(`{"load":"12 t"}`))
		if err := device.Stop(10 * time.Second); err != nil {
			r.t.Errorf("device of %s: %v", user, err)
		}
	}
	trace := regexp.MustCompile(`"trace_id":"([0-9a-f]{32})"`).FindStringSubmatch(out)
	if trace == nil {
		r.t.Fatalf("the push's answer has no trace id: %s", out)
	}
	poll(r.t, "the way of the push", func() error {
		out, err := tool("trace", "--console", "http://"+r.ports["console"]["7490"], trace[1])
		if n := strings.Count(out, "delivered to device"); err == nil && n < 2 {
			err = fmt.Errorf("delivered to %d devices", n)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// TestKafkasHealthCheck runs the real command against a broker, and where there
// is none.
func TestKafkasHealthCheck(t *testing.T) {
	test := load(t, secrets()).Services["kafka"].Healthcheck.Test[1:]
	const here = "/127.0.0.1/9092"
	script := test[len(test)-1]
	if strings.Count(script, here) != 1 {
		t.Fatalf("%q does not ask at %s", script, here)
	}
	var free program.Ports
	broker := program.Start(t, exec.Command(binary, "engine", "kafka", "--dir", t.TempDir())).FirstLine(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for address, healthy := range map[string]bool{broker: true, free.Free(t): false, silent.Addr().String(): false} {
		at := strings.Replace(script, here, "/"+strings.Replace(address, ":", "/", 1), 1)
		out, err := exec.CommandContext(t.Context(), test[0], append(test[1:len(test)-1:len(test)-1], at)...).CombinedOutput()
		if (err == nil) != healthy {
			t.Errorf("at %s, healthy is %v: %v\n%s", address, healthy, err, out)
		}
	}
}
