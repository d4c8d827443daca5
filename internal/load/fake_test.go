package load

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"waybill/internal/wire"
	"waybill/schemas"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

// fake is a Waybill without a log: its push API hands bodies straight to the
// connection of the user's device.
type fake struct {
	t    *testing.T
	gate net.Listener
	api  *httptest.Server

	mu       sync.Mutex
	position uint64
	conns    map[string]net.Conn // by user
	accepted map[string]uint64   // by label
	resumes  int
	traces   map[string]*fakeTrace
	stalled  sync.Once
	// What it does wrong.
	stall  time.Duration     // the first call is answered so late, and all others wait for it
	twice  bool              // pushes everything twice, as two different pushes
	repeat bool              // writes every frame twice
	busy   int               // so many calls are refused first
	keep   bool              // pushes to devices that are away wait for them
	kept   map[string][]byte // frames, by user
}

func newFake(t *testing.T) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, gate: ln, conns: map[string]net.Conn{}, traces: map[string]*fakeTrace{}, kept: map[string][]byte{}, accepted: map[string]uint64{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/pushes", f.handlePushes)
	mux.HandleFunc("GET /v1/funnel", f.handleFunnel)
	mux.HandleFunc("GET /v1/traces/{id}", f.handleTrace)
	f.api = httptest.NewServer(mux)
	var serving sync.WaitGroup
	serving.Go(func() { f.accept(&serving) })
	t.Cleanup(func() {
		ln.Close()
		f.api.Close()
		http.DefaultClient.CloseIdleConnections()
		f.mu.Lock()
		for _, nc := range f.conns {
			nc.Close()
		}
		f.mu.Unlock()
		serving.Wait()
	})
	return f
}

func (f *fake) accept(serving *sync.WaitGroup) {
	for {
		nc, err := f.gate.Accept()
		if err != nil {
			return
		}
		serving.Go(func() {
			defer f.forget(nc)
			if err := f.serve(nc); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				f.t.Logf("device: %v", err)
			}
		})
	}
}

func (f *fake) forget(nc net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	nc.Close()
	for user, have := range f.conns {
		if have == nc {
			delete(f.conns, user)
		}
	}
}

// serve reads frames: a hello is welcomed, uplinks are acknowledged.
func (f *fake) serve(nc net.Conn) error {
	in := bufio.NewReader(nc)
	for {
		head := make([]byte, wire.HeaderSize)
		if _, err := io.ReadFull(in, head); err != nil {
			return io.EOF
		}
		h, err := wire.ParseHeader(head, 1<<20)
		if err != nil {
			return err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(in, payload); err != nil {
			return err
		}
		switch {
		case h.Command == wire.CmdLogin:
			err = f.login(nc, h, payload)
		case h.Command == wire.CmdResume:
			err = f.resume(nc, h, payload)
		case h.Kind == wire.KindRequest && h.Family != wire.FamilySession:
			_, err = nc.Write(wire.AppendUplinkAck(nil, h))
		}
		if err != nil {
			return err
		}
	}
}

func (f *fake) login(nc net.Conn, h wire.Header, payload []byte) error {
	var m schemas.Login
	if err := m.UnmarshalVT(payload); err != nil {
		return err
	}
	return f.welcome(nc, h, strings.TrimPrefix(m.Token, "token of "))
}

func (f *fake) resume(nc net.Conn, h wire.Header, payload []byte) error {
	var m schemas.Resume
	if err := m.UnmarshalVT(payload); err != nil {
		return err
	}
	return f.welcome(nc, h, string(m.Ticket))
}

func (f *fake) welcome(nc net.Conn, h wire.Header, user string) error {
	body, err := (&schemas.Welcome{Ticket: []byte(user), Heartbeat: 60_000}).MarshalVT()
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Command == wire.CmdResume {
		f.resumes++
	}
	f.conns[user] = nc
	f.position++
	out := append(wire.AppendResponse(nil, h, 0, body), f.kept[user]...)
	delete(f.kept, user)
	out = wire.AppendPush(out, wire.Header{Command: wire.CmdResumed}, wire.PushPrefix{Position: f.position}, nil)
	_, err = nc.Write(out)
	return err
}

// push writes one body to the user's device, if that is there.
func (f *fake) push(user, label string, body []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.accepted[label]++
	times := 1
	if f.twice {
		times = 2
	}
	for range times {
		f.position++
		frame := wire.AppendPush(nil, wire.Header{Family: family}, wire.PushPrefix{Position: f.position}, body)
		if f.repeat {
			frame = append(frame, frame...)
		}
		nc := f.conns[user]
		switch {
		case nc != nil:
			_, _ = nc.Write(frame)
		case f.keep:
			f.kept[user] = append(f.kept[user], frame...)
		}
	}
}

// hold keeps the first call, and with it all that follow, for the stall.
func (f *fake) hold(r *http.Request) {
	if f.stall == 0 {
		return
	}
	t := time.NewTimer(f.stall)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
}

type fakeRequest struct{ User, Label, Body string }

func (f *fake) take(r fakeRequest) string {
	body, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		f.t.Errorf("body: %v", err)
	}
	f.push(r.User, r.Label, body)
	f.mu.Lock()
	defer f.mu.Unlock()
	id := fmt.Sprint(len(f.traces))
	f.traces[id] = &fakeTrace{at: time.Now()}
	return fmt.Sprintf(`{"status":"accepted","trace_id":%q}`, id)
}

// fakeTrace is unknown at the first look, in flight at the second, and then
// delivered.
type fakeTrace struct {
	at    time.Time
	looks int
}

func (f *fake) handleTrace(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.traces[r.PathValue("id")]
	if t == nil {
		f.t.Errorf("a trace that is unknown: %s", r.URL)
		return
	}
	t.looks++
	at := t.at.Format(time.RFC3339Nano)
	switch t.looks {
	case 1:
		http.Error(w, `{"reason":"not_yet"}`, http.StatusNotFound)
	case 2:
		fmt.Fprintf(w, `{"messages":[{"state":"in_flight","hops":[{"kind":"pushed","at":%q}]}]}`, at)
	default:
		fmt.Fprintf(w, `{"messages":[{"state":"delivered","hops":[{"kind":"pushed","at":%q},{"kind":"acked","at":%q}]}]}`, at, at)
	}
}

func (f *fake) handlePushes(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Content-Type") == "application/x-ndjson" {
		f.handleLines(w, r)
		return
	}
	text, _ := io.ReadAll(r.Body)
	f.stalled.Do(func() { f.hold(r) })
	f.mu.Lock()
	refuse := f.busy > 0
	f.busy--
	f.mu.Unlock()
	if refuse {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":"busy"}`)
		return
	}
	requests := make([]fakeRequest, 1)
	if err := json.Unmarshal(text, &requests); err != nil {
		if err := json.Unmarshal(text, &requests[0]); err != nil {
			f.t.Errorf("call: %v", err)
		}
	}
	answers := make([]string, len(requests))
	for i, r := range requests {
		answers[i] = f.take(r)
	}
	w.WriteHeader(http.StatusAccepted)
	if strings.HasPrefix(string(text), "{") {
		fmt.Fprint(w, answers[0])
		return
	}
	fmt.Fprintf(w, "[%s]", strings.Join(answers, ","))
}

func (f *fake) handleLines(w http.ResponseWriter, r *http.Request) {
	conn := http.NewResponseController(w)
	_ = conn.EnableFullDuplex()
	w.WriteHeader(http.StatusOK)
	_ = conn.Flush()
	for in := bufio.NewScanner(r.Body); in.Scan(); {
		var one fakeRequest
		if err := json.Unmarshal(in.Bytes(), &one); err != nil {
			f.t.Errorf("line: %v", err)
		}
		fmt.Fprintln(w, f.take(one))
		_ = conn.Flush()
	}
}

// handleFunnel says that everything ended.
func (f *fake) handleFunnel(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.accepted[r.FormValue("label")]
	fmt.Fprintf(w, `{"total":{"accepted":%d},"endings":[{"count":%d}]}`, n, n)
}

func (f *fake) config() Config {
	cfg := Defaults()
	cfg.Target = Target{
		Gates: []string{f.gate.Addr().String()}, API: f.api.Listener.Addr().String(), Console: f.api.Listener.Addr().String(), Key: "key",
		Token: func(user, _ string) (string, error) { return "token of " + user, nil },
	}
	cfg.Devices, cfg.Outstanding, cfg.Batch = 20, 40, 4
	cfg.Warmup, cfg.Duration = 20*time.Millisecond, 200*time.Millisecond
	return cfg
}
