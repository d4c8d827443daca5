package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestAnyOrderOfStarting begins with the stages, then the broker, then the
// migration, and the databases last. Everybody waits, says for what, and goes
// on without help; in the end a push arrives.
func TestAnyOrderOfStarting(t *testing.T) {
	w := newWorld(t)
	all := map[string]*proc{}
	for name, awaited := range map[string]string{
		"gate":      "Kafka at " + w.kafka + " does not answer (connection refused)",
		"ingest":    "Kafka at " + w.kafka + " does not answer",
		"delivery":  "Postgres at " + w.postgres.at + "/postgres does not answer",
		"projector": "ClickHouse at " + w.clickhouse.at + "/default does not answer",
		"console":   "ClickHouse at " + w.clickhouse.at + "/default does not answer (connection refused)",
	} {
		all[name] = w.stage(name, 1)
		all[name].says("waiting", awaited)
		eventually(t, name+" says on /readyz what it waits for", func() bool {
			status, words := all[name].ready()
			return status == http.StatusServiceUnavailable && strings.Contains(words, awaited)
		})
	}
	w.startKafka()
	all["gate"].says("waiting", "Kafka at "+w.kafka+" has no topic waybill.events, ", "`waybill migrate` makes it")
	if _, words := all["gate"].ready(); !strings.Contains(words, "has no topic") {
		t.Errorf("the gate's /readyz says %q", words)
	}
	m := w.migrate()
	m.says("migrated", "what=topics")
	m.says("waiting", "Postgres at "+w.postgres.at)
	w.postgres.open()
	m.says("waiting", "ClickHouse at "+w.clickhouse.at)
	w.clickhouse.open()
	m.ends(exitDrained)
	for name, p := range all {
		p.says("msg=ready")
		if status, words := p.ready(); status != http.StatusOK {
			t.Errorf("%s: /readyz says %d %q", name, status, words)
		}
	}
	handled := w.device("anna", all["gate"])
	trace := w.push(all["ingest"], "anna", "hello")
	w.gets(handled, `"hello"`)
	w.traced(all["console"], trace)
	w.readyWith(all["console"], w.clickhouse)
	for _, p := range all {
		p.drains()
	}
	if left, err := os.ReadDir(w.home); err != nil || len(left) > 0 {
		t.Errorf("the stages left %v behind (%v)", left, err)
	}
}

// TestMigrateGivesUp after --wait, and says for what it waited.
func TestMigrateGivesUp(t *testing.T) {
	kafka := freeAddress(t)
	p := waybill(t, nil, "migrate", flag("kafka", kafka), "--wait=300ms")
	said := p.ends(exitFailed)
	if want := "waybill: migrate topics: waited as long as --wait allows: Kafka at " + kafka + " does not answer (connection refused)"; !strings.Contains(said, want) {
		t.Errorf("it says %q, want %q", said, want)
	}
}

// readyWith: a console can do nothing while ClickHouse is away, and is ready
// again by itself.
func (w *world) readyWith(p *proc, d *door) {
	w.t.Helper()
	d.close()
	eventually(w.t, "not ready without "+d.at, func() bool {
		status, words := p.ready()
		return status == http.StatusServiceUnavailable && strings.Contains(words, "ClickHouse at "+d.at)
	})
	d.open()
	eventually(w.t, "ready again", func() bool {
		status, _ := p.ready()
		return status == http.StatusOK
	})
}

// TestDev: everything in one process is as ready as its stages, and drains.
func TestDev(t *testing.T) {
	free := "127.0.0.1:0"
	dev := waybill(t, nil, "dev", flag("dir", t.TempDir()), flag("gates", free), flag("ingest", free), flag("console", free), flag("metrics", free), flag("broker", free))
	dev.says("Waybill is up")
	eventually(t, "dev is ready", func() bool {
		status, _ := dev.ready()
		return status == http.StatusOK
	})
	dev.drains()
}
