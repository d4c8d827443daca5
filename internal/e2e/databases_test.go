package e2e

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"waybill/internal/engine"
	"waybill/schemas"
)

// TestPostgresAway: pushes to connected devices flow, and the read model
// catches up by itself.
func TestPostgresAway(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)
	w.push(request{User: "driver-1"})
	w.awaitDelivered()
	before := w.settledChecksum()
	if err := w.StopPostgres(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		w.push(request{User: "driver-1"})
	}
	p.awaitPushes(t, 11)
	p.Cut() // resumes ask no database either
	p.await(t, "the phone to come back", func() bool { return p.Homes() == 2 })
	w.push(request{User: "driver-1"})
	w.push(request{User: "driver-2"}) // nobody yet: waits in its mailbox
	p.awaitPushes(t, 12)
	if err := w.StartPostgres(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := w.settledChecksum(); after == before {
		t.Error("the rows are as they were before the outage")
	}
	late := w.phone("driver-2", "phone")
	late.awaitPushes(t, 1)
	w.awaitDelivered()
}

// TestClickHouseAway: pushes flow, the console says that it cannot know, and
// afterwards it knows everything.
func TestClickHouseAway(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	dsn := clickhouse(t, cfg)
	line := newLine(t, dsn.Host)
	dsn.Host = line.address()
	cfg.External.ClickHouse = dsn.String()
	w := start(t, cfg)
	p := w.phone("driver-1", "phone")
	w.awaitConnected(p)

	line.cut()
	var ids []schemas.ID
	for range 10 {
		ids = append(ids, w.push(request{User: "driver-1"}).id(t, 0))
	}
	p.awaitPushes(t, 10)
	w.awaitDelivered()
	if status, b, err := w.get("/v1/traces/"+ids[0].String(), "application/json"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("the console answers %d: %s (%v), want 503", status, b, err)
	}
	line.mend()
	for _, id := range ids {
		poll(t, "the trace of each push", func() error {
			m, err := w.message(id)
			if err == nil && m.State != "delivered" {
				err = errors.New(m.Verdict)
			}
			return err
		})
	}
}

// clickhouse is the address of one that Dev has not started.
func clickhouse(t testing.TB, cfg setup) *url.URL {
	t.Helper()
	text := cfg.External.ClickHouse
	if text == "" {
		ch, err := engine.StartClickHouse(t.Context(), engine.ClickHouseConfig{Dir: filepath.Join(cfg.Dir, "clickhouse")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := ch.Close(); err != nil {
				t.Error(err)
			}
		})
		text = ch.DSN()
	}
	dsn, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// line is a TCP proxy that can be cut.
type line struct {
	listener net.Listener
	to       string
	all      sync.WaitGroup

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

func newLine(t testing.TB, to string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, to: to, conns: make(map[net.Conn]bool)}
	l.all.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		l.all.Wait()
	})
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) accept() {
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", l.to)
		if err != nil || !l.keep(in, out) {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			continue
		}
		l.all.Go(func() { l.carry(in, out) })
		l.all.Go(func() { l.carry(out, in) })
	}
}

// keep remembers the connections, unless the line is down.
func (l *line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return false
	}
	for _, c := range conns {
		l.conns[c] = true
	}
	return true
}

func (l *line) carry(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = from.Close(), to.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, from)
	delete(l.conns, to)
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.conns {
		_ = c.Close()
	}
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}
