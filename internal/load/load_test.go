package load

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// run opens a session against the fake and runs it once.
func run(t *testing.T, cfg Config, do func(*Session, context.Context) (Run, error)) (Run, error) {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return do(s, t.Context())
}

func TestPush(t *testing.T) {
	for name, set := range map[string]func(*Config){
		"closed loop":  func(*Config) {},
		"one a call":   func(c *Config) { c.Batch = 1 },
		"stream":       func(c *Config) { c.Stream = true },
		"open loop":    func(c *Config) { c.Batch, c.Rate = 1, 2000 },
		"many devices": func(c *Config) { c.Devices = 300 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := newFake(t).config()
			set(&cfg)
			r, err := run(t, cfg, (*Session).Push)
			if err != nil {
				t.Fatal(err)
			}
			if r.Messages == 0 || r.Latency.P50 <= 0 || r.Accepted < uint64(r.Messages) || r.CPU[self] <= 0 {
				t.Errorf("figures are missing: %+v", r)
			}
			if r.Drops+r.Repeats != 0 || r.Refused+r.Unknown != 0 {
				t.Errorf("something went wrong unnoticed: %+v", r)
			}
		})
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	cfg := newFake(t).config()
	cfg.Batch, cfg.Rate, cfg.Duration = 1, 500, 400*time.Millisecond
	r, err := run(t, cfg, (*Session).Push)
	if err != nil {
		t.Fatal(err)
	}
	if r.Rate < 400 || r.Rate > 600 {
		t.Errorf("%.0f messages a second arrived, 500 were sent", r.Rate)
	}
}

// A server that stands still for a while is seen by all calls that were due in
// that time, not only by the one that it kept waiting.
func TestOpenLoopSeesAStall(t *testing.T) {
	f := newFake(t)
	f.stall = 300 * time.Millisecond
	cfg := f.config()
	cfg.Batch, cfg.Rate, cfg.Callers, cfg.Warmup, cfg.Duration = 1, 500, 2, 0, 400*time.Millisecond
	r, err := run(t, cfg, (*Session).Push)
	if err != nil {
		t.Fatal(err)
	}
	if r.Accepted < 190 || r.Unsent > 0 {
		t.Errorf("%d calls were made and %d were not; 200 were due", r.Accepted, r.Unsent)
	}
	if r.Latency.P50 < 20 || r.Latency.Max < 250 || r.Own.SendP99 < 100 {
		t.Errorf("a stall of 300 ms shows as %+v, of it by the generator %+v", r.Latency, r.Own)
	}
}

func TestProbe(t *testing.T) {
	cfg := newFake(t).config()
	cfg.Probe, cfg.Duration = true, 200*time.Millisecond // the first probe is at once
	r, err := run(t, cfg, (*Session).Push)
	if err != nil {
		t.Fatal(err)
	}
	if r.Probes < 2 || r.Probes%2 != 0 || r.Visible == nil {
		t.Fatalf("%d hops were found: %+v", r.Probes, r.Visible)
	}
	// The second look finds the first hop, the third one the other.
	if least := lookEvery.Seconds() * 1000; r.Visible.P50 < least || r.Visible.Max < 2*least {
		t.Errorf("hops were found after %+v, before they could be looked up", r.Visible)
	}
}

func TestReconnect(t *testing.T) {
	f := newFake(t)
	f.keep = true
	cfg := f.config()
	cfg.Gates = append(cfg.Gates, cfg.Gates[0])
	s, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := s.reconnect(t.Context(), 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages != int64(cfg.Devices) || r.Drain <= 0 || r.Latency.P50 <= 0 {
		t.Errorf("%d devices have their push: %+v", r.Messages, r)
	}
}

func TestPushTwiceIsAnError(t *testing.T) {
	f := newFake(t)
	f.twice = true
	_, err := run(t, f.config(), (*Session).Push)
	if err == nil || !strings.Contains(err.Error(), "handed over twice") {
		t.Errorf("error %v, want one about pushes that came twice", err)
	}
}

func TestRepeatedFramesAreDropped(t *testing.T) {
	f := newFake(t)
	f.repeat = true
	r, err := run(t, f.config(), (*Session).Push)
	if err != nil {
		t.Fatal(err)
	}
	if r.Repeats == 0 {
		t.Error("no repeat was counted")
	}
}

func TestRefusedPushesMakeRoom(t *testing.T) {
	f := newFake(t)
	f.busy = 5
	r, err := run(t, f.config(), (*Session).Push)
	if err != nil {
		t.Fatal(err)
	}
	if r.Refused != 20 || r.Messages == 0 {
		t.Errorf("%d refused and %d delivered, want 5 calls of 4 refused and the loop alive", r.Refused, r.Messages)
	}
}

func TestUplinks(t *testing.T) {
	r, err := run(t, newFake(t).config(), (*Session).Uplinks)
	if err != nil {
		t.Fatal(err)
	}
	if r.Messages == 0 || r.Latency.P50 <= 0 {
		t.Errorf("figures are missing: %+v", r)
	}
}

func TestDroppedDevicesComeBack(t *testing.T) {
	f := newFake(t)
	s, err := Open(t.Context(), f.config())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f.mu.Lock()
	for _, nc := range f.conns {
		nc.Close()
	}
	f.mu.Unlock()
	all := int64(s.cfg.Devices)
	if err := poll(t.Context(), func() bool { return s.fleet.drops.Load() == all && s.fleet.up.Load() == all }); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.resumes != s.cfg.Devices {
		t.Errorf("%d of %d devices resumed", f.resumes, s.cfg.Devices)
	}
	if s.fleet.err() == nil {
		t.Error("nobody says why the first connection ended")
	}
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	for want, set := range map[string]func(*Config){
		"devices":     func(c *Config) { c.Devices = 0 },
		"batch":       func(c *Config) { c.Batch = 20_001 },
		"outstanding": func(c *Config) { c.Outstanding = 3 },
		"body":        func(c *Config) { c.Body = 23 },
		"duration":    func(c *Config) { c.Duration = 0 },
	} {
		cfg := Defaults()
		set(&cfg)
		if _, err := Open(t.Context(), cfg); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want one about %s", err, want)
		}
	}
}

func TestEcho(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeEcho(ctx, ln) }()
	cfg := Defaults()
	cfg.Devices, cfg.Warmup, cfg.Duration = 10, 10*time.Millisecond, 50*time.Millisecond
	r, err := Echo(ctx, cfg, ln.Addr().String())
	if err != nil || r.Messages == 0 {
		t.Errorf("echo came to %+v, error %v", r, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestChild(t *testing.T) {
	c, line, err := StartChild(t.Context(), "ready", "sh", "-c", "echo first; echo ready on 7; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	if line != "ready on 7" {
		t.Errorf("line %q", line)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	_, _, err = StartChild(t.Context(), "ready", "sh", "-c", "echo went wrong >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "went wrong") {
		t.Errorf("error %v, want what the child said", err)
	}
}
