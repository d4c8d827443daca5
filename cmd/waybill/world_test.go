package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/app"
	"waybill/internal/engine"
)

// world is what an operator has: addresses of engines that may be up or not,
// and processes.
type world struct {
	t          *testing.T
	dir        string
	kafka      string // address of the broker's process
	broker     *proc  // nil before startKafka
	postgres   *door
	clickhouse *door
	dsn        [2]string // of Postgres and ClickHouse, by way of the doors
	app        app.DevApp
	apps       string // the file of apps
	home       string // where stages are started: they leave nothing behind
}

// newWorld has its databases running behind closed doors, and no broker.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel() // these tests mostly wait
	w := &world{t: t, dir: t.TempDir(), kafka: freeAddress(t), home: t.TempDir()}
	pg, err := engine.StartPostgres(t.Context(), engine.PostgresConfig{Dir: filepath.Join(w.dir, "postgres")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	ch, err := engine.StartClickHouse(t.Context(), engine.ClickHouseConfig{Dir: filepath.Join(w.dir, "clickhouse")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ch.Close() })
	at := parseURL(t, pg.DSN())
	w.postgres = newDoor(t, "unix", filepath.Join(at.Query().Get("host"), ".s.PGSQL.5432"))
	w.dsn[0] = fmt.Sprintf("postgres://%s@%s%s?sslmode=disable", at.User.Username(), w.postgres.at, at.Path)
	at = parseURL(t, ch.DSN())
	w.clickhouse = newDoor(t, "tcp", at.Host)
	at.Host = w.clickhouse.at
	w.dsn[1] = at.String()
	w.writeApps()
	return w
}

func parseURL(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// nextPort counts through ports below those that a system gives to connections:
// an address that is free now stays free until its server comes.
var nextPort atomic.Uint32

// freeAddress is one that nobody listens on yet.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 700 {
		address := fmt.Sprintf("127.0.0.1:%d", 27300+nextPort.Add(1)%700)
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (w *world) writeApps() {
	w.t.Helper()
	secret := strings.Repeat("s", 32)
	w.app = app.DevApp{Name: "freight", APIKey: strings.Repeat("k", 32), Secret: secret}
	w.apps = filepath.Join(w.dir, "apps.json")
	text := fmt.Sprintf(`{"apps": [{"name": "freight", "api_keys": [{"id": "city", "key": %q}],
		"token_keys": [{"id": "dev", "algorithm": "HS256", "secret": %q}]}]}`, w.app.APIKey, secret)
	if err := os.WriteFile(w.apps, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// up opens everything and migrates it.
func (w *world) up() {
	w.t.Helper()
	w.startKafka()
	w.postgres.open()
	w.clickhouse.open()
	w.migrate().ends(exitDrained)
}

func (w *world) startKafka() {
	w.t.Helper()
	w.broker = waybill(w.t, nil, "engine", "kafka", flag("dir", filepath.Join(w.dir, "kafka")), flag("listen", w.kafka))
	w.broker.says(w.kafka)
}

func (w *world) migrate(more ...string) *proc {
	w.t.Helper()
	return waybill(w.t, w.env(), append([]string{"migrate", "--partitions=4", "--dispatch=4", flag("apps", w.apps)}, more...)...)
}

// env is one environment for every subcommand.
func (w *world) env() []string {
	return []string{
		"WAYBILL_KAFKA=" + w.kafka, "WAYBILL_POSTGRES=" + w.dsn[0], "WAYBILL_CLICKHOUSE=" + w.dsn[1],
		"WAYBILL_CLUSTER_KEY=" + key, "WAYBILL_LISTEN=127.0.0.1:0", "WAYBILL_METRICS=127.0.0.1:0",
		"WAYBILL_LEASE=3s", "WAYBILL_SESSION=6s", "TMPDIR=" + w.home,
	}
}

// stage starts one.
func (w *world) stage(name string, number int, more ...string) *proc {
	w.t.Helper()
	p := waybill(w.t, w.env(), append([]string{name, flag("number", number)}, more...)...)
	p.name = fmt.Sprintf("%s-%d", name, number)
	return p
}

// device logs in at that gate; what it handles comes out of the channel.
func (w *world) device(user string, gate *proc) <-chan string {
	w.t.Helper()
	handled := make(chan string, 100)
	c, err := client.New(client.Config{
		Addresses: []string{gate.at("gate ready")},
		Token:     func(context.Context) (string, error) { return w.app.Token(user, user+"-phone") },
		Handler: func(_ context.Context, p client.Push) error {
			handled <- string(p.Body)
			return nil
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = c.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
	return handled
}

// gets waits for what a device handles next.
func (w *world) gets(handled <-chan string, want string) {
	w.t.Helper()
	select {
	case got := <-handled:
		if got != want {
			w.t.Errorf("the device handled %s, want %s", got, want)
		}
	case <-time.After(patience):
		w.t.Fatalf("no device handled %s", want)
	}
}

// push returns the trace id.
func (w *world) push(ingest *proc, user, word string) string {
	w.t.Helper()
	body := fmt.Sprintf(`{"user": %q, "family": 1, "json": %q}`, user, word)
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+ingest.at("ingest listens")+"/v1/pushes", bytes.NewReader([]byte(body)))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.app.APIKey)
	req.Header.Set("Content-Type", "application/json")
	b, err := answerOf(req, http.StatusAccepted)
	if err != nil {
		w.t.Fatal(err)
	}
	var answer struct {
		Trace string `json:"trace_id"`
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Trace == "" {
		w.t.Fatalf("answer %s: %v", b, err)
	}
	return answer.Trace
}

// traced waits until the console says that the push was delivered.
func (w *world) traced(console *proc, trace string) {
	w.t.Helper()
	at := "http://" + console.at("console listens") + "/v1/traces/" + trace
	eventually(w.t, "the trace says delivered", func() bool {
		resp, err := http.Get(at)
		if err != nil {
			w.t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			State string `json:"state"`
		}
		return json.NewDecoder(resp.Body).Decode(&answer) == nil && answer.State == "delivered"
	})
}

// door is an address behind which a server answers while it is open.
type door struct {
	t               *testing.T
	at              string
	network, server string
	listener        net.Listener

	mu    sync.Mutex
	conns []net.Conn // all that ever came
}

func newDoor(t *testing.T, network, server string) *door {
	t.Helper()
	d := &door{t: t, at: freeAddress(t), network: network, server: server}
	t.Cleanup(d.close)
	return d
}

func (d *door) open() {
	d.t.Helper()
	var err error
	if d.listener, err = net.Listen("tcp", d.at); err != nil {
		d.t.Fatal(err)
	}
	go d.serve(d.listener)
}

func (d *door) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		d.conns = append(d.conns, c)
		d.mu.Unlock()
		go d.carry(c)
	}
}

func (d *door) carry(c net.Conn) {
	defer c.Close()
	s, err := net.Dial(d.network, d.server)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		_, _ = io.Copy(s, c)
		_ = s.Close()
	}()
	_, _ = io.Copy(c, s)
}

// close sends everybody away.
func (d *door) close() {
	if d.listener != nil {
		_ = d.listener.Close()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close() // perhaps for the second time
	}
	d.conns = nil
}
