package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestGateDrains: SIGTERM makes a gate not ready, and sends its devices to the
// other one, no faster than it is told; then it ends.
func TestGateDrains(t *testing.T) {
	w := newWorld(t)
	w.up()
	one, two := w.stage("gate", 1, flag("drain-rate", 1)), w.stage("gate", 2)
	ingest, delivery := w.stage("ingest", 1), w.stage("delivery", 1)
	for _, p := range []*proc{one, two, ingest, delivery} {
		p.says("msg=ready")
	}
	anna, bert := w.device("anna", one), w.device("bert", one)
	w.push(ingest, "anna", "before")
	w.push(ingest, "bert", "before")
	w.gets(anna, `"before"`)
	w.gets(bert, `"before"`)

	one.signal(syscall.SIGTERM)
	one.says("hands its devices over", "connections=2", "rate=1")
	if status, words := one.ready(); status != http.StatusServiceUnavailable || !strings.Contains(words, "is draining") {
		t.Errorf("/readyz says %d %s", status, words)
	}
	one.says("has handed its devices over", "redirected=2", "left=0")
	one.ends(exitDrained)
	w.push(ingest, "anna", "after")
	w.push(ingest, "bert", "after")
	w.gets(anna, `"after"`)
	w.gets(bert, `"after"`)
	two.drains()
}
