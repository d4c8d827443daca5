package e2e

import (
	"strings"
	"testing"
	"time"

	"waybill/client"
	"waybill/internal/e2e/ledger"
	"waybill/internal/wire"
	"waybill/schemas"
)

// TestBadFrames: whatever a device writes, it hears a reason, and nobody else
// notices: a neighbour on the same gate keeps its one connection and its pushes.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	neighbour := w.phone("neighbour", "phone", func(c *client.Config) { c.Addresses = w.gates[:1] })
	w.awaitConnected(neighbour)
	good := claims{w.App.Name, "dev", w.App.Secret, time.Hour}
	in := login(t, good.token(t, "driver"), 0)
	heartbeat := wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: 2}, nil, nil)
	long := wire.Header{Version: wire.Version, Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: 2, Length: 64<<10 + 1}
	noProtobuf := []byte{0xff, 0xff, 0xff}

	for _, c := range []struct {
		name  string
		login bool // before it
		write []byte
		want  schemas.Reason
	}{
		{"garbage", false, []byte("GET / HTTP/1.1\r\nHost: gate\r\n\r\n and more than forty bytes of it"), schemas.Reason_REASON_UNKNOWN_VERSION},
		{"unknown version", false, append([]byte{9}, in[1:]...), schemas.Reason_REASON_UNKNOWN_VERSION},
		{"unknown kind", false, append([]byte{1, 77}, in[2:]...), schemas.Reason_REASON_BAD_FRAME},
		{"unknown flag", false, append([]byte{1, 1, 0x80, 0}, in[4:]...), schemas.Reason_REASON_UNKNOWN_FLAG},
		{"over the limit", true, long.Append(nil), schemas.Reason_REASON_FRAME_TOO_LARGE},
		{"over the limit before login", false, long.Append(nil), schemas.Reason_REASON_FRAME_TOO_LARGE},
		{"login without protobuf", false, wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdLogin, Sequence: 1}, nil, noProtobuf), schemas.Reason_REASON_BAD_BODY},
		{"heartbeat without protobuf", true, wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdHeartbeat, Sequence: 2}, nil, noProtobuf), schemas.Reason_REASON_BAD_BODY},
		{"short ack", true, wire.AppendFrame(nil, wire.Header{Kind: wire.KindAck, Command: wire.CmdAck}, nil, []byte{1}), schemas.Reason_REASON_BAD_FRAME},
		{"malformed token", false, login(t, "not.a.token", 0), schemas.Reason_REASON_BAD_TOKEN},
		{"expired token", false, login(t, claims{w.App.Name, "dev", w.App.Secret, -time.Minute}.token(t, "driver"), 0), schemas.Reason_REASON_TOKEN_EXPIRED},
		{"token of another key", false, login(t, claims{w.App.Name, "dev", "another secret, just as long as it", time.Hour}.token(t, "driver"), 0), schemas.Reason_REASON_BAD_TOKEN},
		{"token of an unknown key", false, login(t, claims{w.App.Name, "other", w.App.Secret, time.Hour}.token(t, "driver"), 0), schemas.Reason_REASON_UNKNOWN_APP},
		{"token of another app", false, login(t, claims{"other", "dev", w.App.Secret, time.Hour}.token(t, "driver"), 0), schemas.Reason_REASON_UNKNOWN_APP},
		{"token without a user", false, login(t, good.token(t, ""), 0), schemas.Reason_REASON_NOT_ADMITTED},
		{"second login", true, login(t, good.token(t, "driver"), 0), schemas.Reason_REASON_SECOND_LOGIN},
		{"heartbeat before login", false, heartbeat, schemas.Reason_REASON_NOT_LOGGED_IN},
		{"uplink before login", false, wire.AppendUplink(nil, wire.Header{Family: 7, Sequence: 1}, wire.UplinkPrefix{Lowest: 1, Tries: 1}, nil), schemas.Reason_REASON_NOT_LOGGED_IN},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			p := w.dial()
			p.t = t
			if c.login {
				p.write(in)
				p.next(wire.KindResponse, wire.CmdLogin)
			}
			p.write(c.write)
			end := p.readEnd()
			if end.refused == nil && end.closed == nil {
				t.Fatal("the gate closed without a reason")
			}
			if end.refused != nil && end.refused.Reason != c.want {
				t.Errorf("refused as %s (%s), want %s", end.refused.Reason.Word(), end.refused.Message, c.want.Word())
			}
			if end.closed != nil && end.closed.Reason != c.want {
				t.Errorf("closed as %s, want %s", end.closed.Reason.Word(), c.want.Word())
			}
			if end.refused != nil && end.refused.Message == "" {
				t.Error("the error has no sentence for a person")
			}
		})
	}
	if n := neighbour.Homes(); n != 1 || !neighbour.Online() {
		t.Errorf("the neighbour has connected %d times and is online: %v", n, neighbour.Online())
	}
	w.push(request{User: "neighbour"})
	neighbour.awaitPushes(t, 1)
}

// TestStrangeCursor: a cursor from another log is a gap that is said, never a
// close: the connection stays, pushes flow. It stays also after a request that
// the gate does not know.
func TestStrangeCursor(t *testing.T) {
	t.Parallel()
	w := start(t, config(t))
	good := claims{w.App.Name, "dev", w.App.Secret, time.Hour}
	for _, c := range []struct {
		name   string
		user   string
		cursor schemas.Position
		want   schemas.Reason
	}{
		{"beyond the log", "far", schemas.At(0, 1<<40), schemas.Reason_REASON_STRANGE_CURSOR},
		{"of another epoch", "strange", schemas.At(7, 5), schemas.Reason_REASON_STRANGE_EPOCH},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			p := w.dial()
			p.t = t
			p.write(login(t, good.token(t, c.user), uint64(c.cursor)))
			p.next(wire.KindResponse, wire.CmdLogin)
			said := p.next(wire.KindPush, wire.CmdResumed)
			gap := decode(t, said.payload[wire.PushPrefixSize:], &schemas.Resumed{}).Gap
			if gap.GetReason() != c.want || !gap.GetAdopt() {
				t.Errorf("resumed with gap %v, want %s to be adopted", gap, c.want.Word())
			}
			whole := p.next(wire.KindPush, wire.CmdResumed)
			if gap := decode(t, whole.payload[wire.PushPrefixSize:], &schemas.Resumed{}).Gap; gap != nil {
				t.Errorf("the series ends with gap %v, want it complete", gap)
			}
			p.write(wire.AppendAck(nil, wire.AckBody{Cursor: position(t, whole)}))
			p.write(wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: 0x7700, Sequence: 3}, nil, nil))
			if f := p.next(wire.KindResponse, 0x7700); schemas.Reason(f.Status) != schemas.Reason_REASON_UNKNOWN_COMMAND {
				t.Errorf("an unknown command is answered with status %d", f.Status)
			}
			a := w.push(request{User: c.user, JSON: "after the gap"})
			got := p.nextOf(7)
			prefix, body, err := wire.ParsePushPrefix(got.payload)
			if err != nil || prefix.Position <= position(t, whole) || schemas.ID(prefix.PushID) != a.id(t, 0) || string(body) != `"after the gap"` {
				t.Fatalf("got push %x with %s (%v)", prefix.PushID, body, err)
			}
			p.write(wire.AppendAck(nil, wire.AckBody{Cursor: prefix.Position}))
			w.books.await(t, "the push to be delivered", func(l *ledger.Ledger) bool {
				_, x := l.ByID(a.id(t, 0))
				return x != nil && ledger.Delivered(x.Whole)
			})
		})
	}
	w.books.Look(func(l *ledger.Ledger) {
		if n := l.Kinds[schemas.Kind_KIND_DISCONNECTED]; n != 0 {
			t.Errorf("%d connections ended: %v", n, l.Ends)
		}
	})
}
