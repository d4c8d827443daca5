package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHealthAsksForReadiness(t *testing.T) {
	answer := http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		http.Error(w, "not ready: gate-1@h is starting", answer)
	}))
	defer s.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	everywhere := ":" + address[strings.LastIndex(address, ":")+1:]

	for _, metrics := range []string{address, everywhere, "0.0.0.0" + everywhere} {
		c := healthCmd{Metrics: metrics, Timeout: time.Minute}
		if err := c.Run(t.Context()); err != nil {
			t.Errorf("%s is ready: %v", metrics, err)
		}
	}
	answer = http.StatusServiceUnavailable
	c := healthCmd{Metrics: address, Timeout: time.Minute}
	if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "gate-1@h is starting") {
		t.Errorf("not ready: %v, want an error that says what the process said", err)
	}
}

func TestHealthOfNoAddress(t *testing.T) {
	for metrics, want := range map[string]string{
		"":            "is no address",
		"7401":        "is no address",
		"127.0.0.1:0": "port 0 names no process",
	} {
		c := healthCmd{Metrics: metrics, Timeout: time.Minute}
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", metrics, err, want)
		}
	}
}
