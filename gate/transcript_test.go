package gate

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"waybill/internal/wire"
	"waybill/schemas"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// TestTranscripts runs the conversations in testdata: a line is what happens
// to the connection, the indented lines below it what the connection does.
// Lines with # are prose.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { transcript(t, file) })
	}
}

func transcript(t *testing.T, file string) {
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h := newHarness(t)
	var got strings.Builder
	for line := range strings.Lines(string(want)) {
		if strings.HasPrefix(line, " ") {
			continue
		}
		got.WriteString(line)
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		h.do(line)
		for said := range strings.Lines(h.said()) {
			got.WriteString("    " + said)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("transcript differs; go test -update writes it anew (-file +now):\n%s", d)
	}
}

// step is one line: a verb, then key=value or bare words.
type step struct {
	t    testing.TB
	verb string
	args map[string]string
}

func parseStep(t testing.TB, line string) step {
	words := strings.Fields(line)
	s := step{t, words[0], map[string]string{}}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		s.args[k] = v
	}
	return s
}

func (s step) num(key string) uint64 {
	v, ok := s.args[key]
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		s.t.Fatalf("%s: %v", key, err)
	}
	return n
}

func (s step) has(key string) bool { _, ok := s.args[key]; return ok }

func (s step) word(key, otherwise string) string {
	if v, ok := s.args[key]; ok {
		return v
	}
	return otherwise
}

func (s step) duration(key string, otherwise time.Duration) time.Duration {
	if !s.has(key) {
		return otherwise
	}
	d, err := time.ParseDuration(s.args[key])
	if err != nil {
		s.t.Fatalf("%s: %v", key, err)
	}
	return d
}

func (h *harness) do(line string) {
	s := parseStep(h.t, line)
	switch s.verb {
	case "connect":
		h.connect()
	case "log":
		h.finishLog(s)
	case "tick":
		h.gate.owing.retry()
	case "wait":
		h.wait(s.duration("for", 0))
	case "full":
		h.sock.full = true
	case "gone":
		h.conn.gone(schemas.Reason_REASON_PEER_CLOSED)
	case "stop":
		h.conn.shutdown(schemas.Reason_REASON_GATE_STOPPING)
	case "command":
		h.command(s)
	case "control":
		h.tellControl(s)
	case "bytes":
		h.conn.receive(h.bytes(s))
	default:
		h.send(s)
	}
}

func (h *harness) finishLog(s step) {
	switch {
	case s.has("away"):
		h.facts.away = true
	case s.has("back"):
		h.facts.away = false
	case s.has("fails"):
		h.facts.finish(errAway)
	default:
		h.facts.finish(nil)
	}
}

// send brings one frame of the device, whole or in pieces of a few bytes.
func (h *harness) send(s step) {
	b := h.frame(s)
	piece := int(s.num("pieces"))
	for piece > 0 && len(b) > piece {
		h.conn.receive(b[:piece])
		b = b[piece:]
	}
	h.conn.receive(b)
}

func (h *harness) frame(s step) []byte {
	head := wire.Header{Kind: wire.KindRequest, Sequence: s.num("seq")}
	switch s.verb {
	case "login":
		head.Command = wire.CmdLogin
		return wire.AppendFrame(nil, head, nil, encode(&schemas.Login{Token: h.token(s), Hello: h.hello(s), Identifies: h.identifies(s)}))
	case "resume":
		head.Command = wire.CmdResume
		return wire.AppendFrame(nil, head, nil, encode(&schemas.Resume{Ticket: h.ticket(s), Hello: h.hello(s)}))
	case "heartbeat":
		head.Command = wire.CmdHeartbeat
		return wire.AppendFrame(nil, head, nil, encode(&schemas.Heartbeat{Cursor: s.num("cursor")}))
	case "ack":
		return wire.AppendAck(nil, wire.AckBody{Cursor: s.num("cursor"), Received: s.num("received")})
	case "opened":
		head.Command = wire.CmdOpened
		return wire.AppendFrame(nil, head, nil, encode(&schemas.OpenedReport{Position: s.num("position")}))
	case "logout":
		head.Command = wire.CmdLogout
		return wire.AppendFrame(nil, head, nil, nil)
	case "uplink":
		head.Family, head.Command, head.Trace = 5, 0x0100, [16]byte{15: 9}
		if s.has("oneway") {
			head.Flags = wire.FlagOneWay
		}
		p := wire.UplinkPrefix{Lowest: s.num("lowest"), Tries: uint16(s.num("tries"))}
		return wire.AppendUplink(nil, head, p, []byte(s.word("body", "")))
	case "frame":
		head.Kind, head.Family, head.Command = wire.Kind(s.num("kind")), uint16(s.num("family")), uint16(s.num("command"))
		return wire.AppendFrame(nil, head, nil, h.bytes(s))
	}
	h.t.Fatalf("unknown verb %q", s.verb)
	return nil
}

func (h *harness) bytes(s step) []byte {
	b, err := hex.DecodeString(s.word("hex", ""))
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h *harness) hello(s step) *schemas.Hello {
	if s.has("silent") {
		return nil
	}
	m := hello(s.num("cursor"), s.num("count"))
	m.Zstd = s.has("zstd")
	m.Limits = &schemas.Limits{MaxFrame: uint32(s.num("max_frame")), Window: uint32(s.num("window"))}
	return m
}

func (h *harness) token(s step) string {
	switch s.word("token", "") {
	case "expired":
		return token(h.t, "ann", "phone", h.now.Add(-time.Second))
	case "garbage":
		return "garbage"
	}
	claims := jwt.MapClaims{"app": s.word("app", "freight"), "device": "phone", "exp": h.now.Add(s.duration("life", time.Hour)).Unix()}
	if !s.has("nobody") {
		claims["sub"] = s.word("user", "ann")
	}
	return sign(h.t, claims)
}

// identifies is the ticket of the session that the device had without a person.
func (h *harness) identifies(s step) []byte {
	switch s.word("identifies", "") {
	case "":
		return nil
	case "forged":
		return []byte("forged")
	}
	device := s.word("identifies", "")
	b, err := h.gate.tickets.seal(&schemas.Ticket{
		App: "kiosk", User: s.word("was", "anon:"+device), Device: device, Session: make([]byte, 16), Expires: h.now.Add(-time.Hour).UnixMicro(),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h *harness) ticket(s step) []byte {
	if s.has("forged") {
		return []byte("forged")
	}
	life := time.Hour
	if s.has("expired") {
		life = -time.Second
	}
	t := &schemas.Ticket{
		App: "freight", User: "ann", Device: "phone", Session: make([]byte, 16), Expires: h.now.Add(life).UnixMicro(),
	}
	if s.has("token") {
		t.TokenExpires = h.now.Add(s.duration("token", 0)).UnixMicro()
	}
	b, err := h.gate.tickets.seal(t)
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

// command brings one or two commands of delivery, in one batch.
func (h *harness) command(s step) {
	o := obeyer{gate: h.gate}
	cmd := &schemas.Command{
		TraceId: make([]byte, 16), App: "freight", User: "ann", Device: "phone", Gate: uint32(s.num("gate")), Incarnation: s.num("incarnation"),
		Connection: s.num("connection"), Time: 55, Position: s.num("position"), Previous: s.num("previous"), Attempt: uint32(s.num("attempt")),
		Again: s.has("again"), Family: 5, Command: 0x0200, Body: []byte(strings.Repeat(s.word("body", "b"), max(1, int(s.num("times"))))),
	}
	cmd.Gate, cmd.Incarnation, cmd.Connection = or(cmd.Gate, 2), or(cmd.Incarnation, 7), or(cmd.Connection, 1)
	switch {
	case s.has("push"):
		cmd.Kind = schemas.CommandKind_COMMAND_KIND_PUSH
	case s.has("resumed"):
		cmd.Kind = schemas.CommandKind_COMMAND_KIND_RESUMED
		if s.has("adopt") {
			cmd.Gap = &schemas.Gap{Reason: schemas.Reason_REASON_STRANGE_CURSOR, Adopt: true}
		}
	case s.has("close"):
		cmd.Kind = schemas.CommandKind_COMMAND_KIND_CLOSE
		cmd.Reason, _ = schemas.ReasonOf(s.args["close"])
		cmd.After = int64(s.num("after"))
	}
	o.add(cmd)
	if s.has("then") {
		next := cloned(cmd)
		next.Position, next.Previous = s.num("then"), cmd.Position
		o.add(next)
	}
	o.run()
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}
