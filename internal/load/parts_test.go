package load

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	p := newTemplate(5, []string{"a", `b"`}, "label", 200)
	var requests []struct {
		User, Label, Body string
		Family            int
	}
	if err := json.Unmarshal(p.appendCall(nil, 7, 3, 42), &requests); err != nil {
		t.Fatal(err)
	}
	for i, r := range requests {
		body, err := base64.StdEncoding.DecodeString(r.Body)
		if err != nil || len(body) != 200 {
			t.Fatalf("body of %d bytes, %v", len(body), err)
		}
		got, ok := parseStamp(body)
		if want := (stamp{run: 5, index: 7 + uint64(i), at: 42}); !ok || got != want {
			t.Errorf("stamp %+v, want %+v", got, want)
		}
		if want := []string{`b"`, "a"}[i%2]; r.User != want || r.Label != "label" || r.Family != family {
			t.Errorf("request %+v, want user %s", r, want)
		}
	}
	if _, ok := parseStamp(make([]byte, stampSize-1)); ok {
		t.Error("a body that is too short has a stamp")
	}
}

func TestTally(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		n      int
		want   tally
		fails  bool
	}{
		"all":             {http.StatusAccepted, "", 3, tally{accepted: 3}, false},
		"some":            {http.StatusMultiStatus, `[{"status":"accepted"},{"status":"busy"},{"status":"unknown"}]`, 3, tally{1, 1, 1}, false},
		"one is busy":     {http.StatusServiceUnavailable, `{"status":"busy"}`, 1, tally{refused: 1}, false},
		"a whole batch":   {http.StatusServiceUnavailable, `{"status":"busy"}`, 3, tally{refused: 3}, false},
		"not confirmed":   {http.StatusGatewayTimeout, `{"status":"unknown"}`, 1, tally{unknown: 1}, false},
		"unreadable":      {http.StatusServiceUnavailable, `<html>`, 2, tally{unknown: 2}, false},
		"our own mistake": {http.StatusBadRequest, `{"status":"refused"}`, 2, tally{refused: 2}, true},
	} {
		got, err := tallyOf(c.status, []byte(c.answer), c.n)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, c.want)
		}
	}
}

func TestStatusOfLine(t *testing.T) {
	for line, want := range map[string]string{
		`{"status":"accepted","trace_id":"0"}`: "accepted",
		`{"trace_id":"0","status":"busy"}`:     "busy",
		`nonsense`:                             "",
	} {
		if got := statusOf([]byte(line)); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestLedger(t *testing.T) {
	l := &ledger{}
	l.add(tally{accepted: 2, unknown: 1})
	if l.here() || l.check() == nil {
		t.Error("two are missing and nobody says so")
	}
	for _, i := range []uint64{0, 100_000, 2} {
		if !l.take(i) {
			t.Errorf("%d is new", i)
		}
	}
	if err := l.check(); err != nil || !l.here() {
		t.Errorf("everything has come: %v", err)
	}
	if l.take(100_000) || l.check() == nil {
		t.Error("one came twice and nobody says so")
	}
	l = &ledger{}
	l.take(1)
	if l.check() == nil {
		t.Error("one came that was not accepted")
	}
}

func TestMeterLeavesWarmupOut(t *testing.T) {
	m := newMeter()
	at := func(ms int64) int64 { return ms * int64(time.Millisecond) }
	m.record(at(1), at(2)) // before anything is measured
	m.measure(time.UnixMilli(1000), time.Second)
	m.record(at(990), at(1010)) // counts, meant for the warm-up
	m.record(at(1000), at(1005))
	m.record(at(1990), at(2050)) // late: its latency shows
	if m.count != 2 {
		t.Errorf("%d messages counted, want 2", m.count)
	}
	if got := m.latency(); m.hist.TotalCount() != 2 || got.P50 < 4.9 || got.P50 > 5.1 || got.Max < 59 || got.Max > 61 {
		t.Errorf("latency %+v of %d", got, m.hist.TotalCount())
	}
}

func TestWindow(t *testing.T) {
	w := newWindow(10)
	if n := w.take(4, 4); n != 4 {
		t.Fatalf("took %d", n)
	}
	if n := w.take(1, 64); n != 6 {
		t.Fatalf("took %d of the 6 that are left", n)
	}
	got := make(chan int)
	go func() { got <- w.take(2, 2) }()
	w.give(1)
	w.give(1)
	if n := <-got; n != 2 {
		t.Errorf("took %d, want 2", n)
	}
	go func() { got <- w.take(1, 1) }()
	w.close()
	if n := <-got; n != 0 {
		t.Errorf("took %d of a closed window", n)
	}
}

func TestMedian(t *testing.T) {
	runs := []Run{
		{Rate: 10, Latency: Latency{P50: 3}, CPU: map[string]float64{"dev": 1}, Delays: []float64{900, 700}},
		{Rate: 30, Latency: Latency{P50: 1}, CPU: map[string]float64{"dev": 5}, Delays: []float64{800}},
		{Rate: 20, Latency: Latency{P50: 2}, CPU: map[string]float64{"dev": 2}},
	}
	want := Run{
		Rate: 20, Latency: Latency{P50: 2}, CPU: map[string]float64{"dev": 2},
		Visible: &Latency{P50: 800, P99: 900, P999: 900, Max: 900}, Probes: 3, // of all runs
	}
	if diff := cmp.Diff(want, median(runs)); diff != "" {
		t.Error(diff)
	}
	if median(nil).Rate != 0 {
		t.Error("the median of nothing is something")
	}
}

func TestProcesses(t *testing.T) {
	if _, err := pss(os.Getpid()); err != nil {
		t.Error(err)
	}
	s, err := readStat(os.Getpid())
	if err != nil || s.parent != os.Getppid() {
		t.Errorf("parent %d, %v; want %d", s.parent, err, os.Getppid())
	}
	for _, pid := range (processes{roots: []int{os.Getppid()}}).all() {
		if pid == os.Getpid() {
			return
		}
	}
	t.Error("this process is not among its parent's children")
}

func TestFreePorts(t *testing.T) {
	at, err := FreePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(at)
	if len(slices.Compact(at)) != 3 {
		t.Errorf("ports %v, want three", at)
	}
	if _, err := FreePorts(ports + 1); err == nil {
		t.Error("there are more ports than there are")
	}
}
