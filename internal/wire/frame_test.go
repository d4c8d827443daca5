package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNextCutsAStream(t *testing.T) {
	var stream []byte
	var want []string
	for _, v := range frames(t) {
		frame, h, payload := v.build(t)
		stream = append(stream, frame...)
		want = append(want, Describe(h, payload))
	}
	// Byte by byte: a frame is there exactly when its last byte is.
	var got []string
	var buf []byte
	for _, c := range stream {
		buf = append(buf, c)
		h, payload, rest, err := Next(buf, 64<<10)
		if errors.Is(err, ErrShort) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, Describe(h, payload))
		buf = rest
	}
	if d := cmp.Diff(want, got); d != "" || len(buf) != 0 {
		t.Errorf("%d bytes left, frames differ (-want +got):\n%s", len(buf), d)
	}
}

func TestPayloadCannotGrowIntoTheRest(t *testing.T) {
	two := AppendFrame(AppendFrame(nil, Header{Kind: KindPush}, nil, []byte("one")), Header{Kind: KindPush}, nil, []byte("two"))
	_, payload, rest, err := Next(two, 100)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(payload, "overwritten"...)
	if _, second, _, err := Next(rest, 100); err != nil || string(second) != "two" {
		t.Errorf("second frame is now %q, %v", second, err)
	}
}

func TestAnswers(t *testing.T) {
	req := Header{Version: Version, Kind: KindRequest, Flags: FlagOneWay, Family: 9, Command: 0x0201, Sequence: 5, Trace: [16]byte{1}}
	for name, c := range map[string]struct {
		frame []byte
		want  string
	}{
		"ack":             {AppendUplinkAck(nil, req), "ack 9/2.1 seq=5 len=0 trace=01" + strings.Repeat("0", 30) + " body=0"},
		"refusal":         {AppendResponse(nil, req, 36, []byte("no")), "response 9/2.1 status=36 seq=5 len=26 trace=01" + strings.Repeat("0", 30) + " position=0 id=" + zeroID + " body=2"},
		"session":         {AppendResponse(nil, Header{Command: CmdLogin, Sequence: 1}, 0, []byte("hi")), "response login seq=1 len=2 body=2"},
		"uplink":          {AppendUplink(nil, Header{Family: 1, Command: 0x0100, Sequence: 2}, UplinkPrefix{Time: -1, Lowest: 2, Tries: 1}, nil), "request 1/1.0 seq=2 len=18 time=-1 lowest=2 tries=1 body=0"},
		"push":            {AppendPush(nil, Header{Flags: FlagAgain, Family: 1, Command: 0x0100}, PushPrefix{Position: 3}, []byte("x")), "push 1/1.0 flags=again len=25 position=3 id=" + zeroID + " body=1"},
		"device's ack":    {AppendAck(nil, AckBody{Cursor: 7, Received: 8}), "ack ack len=16 cursor=7 received=8 body=16"},
		"missing prefix":  {AppendFrame(nil, Header{Kind: KindPush, Command: CmdClose}, nil, nil), "push close len=0 (push prefix needs 24 bytes: the payload has 0)"},
		"unknown command": {AppendFrame(nil, Header{Kind: KindRequest, Command: 0x7f02}, nil, nil), "request command_127.2 len=0 body=0"},
	} {
		t.Run(name, func(t *testing.T) {
			h, payload, rest, err := Next(c.frame, 1000)
			if err != nil || len(rest) != 0 {
				t.Fatal(err, len(rest))
			}
			if got := Describe(h, payload); got != c.want {
				t.Errorf("frame is\n%s, want\n%s", got, c.want)
			}
		})
	}
}

func TestErrorsSayWhatIsAllowed(t *testing.T) {
	for want, err := range map[string]error{
		"frame has version 71: only version 1 is supported":                 &VersionError{71},
		"frame has kind 9: kinds are 1 request, 2 response, 3 push, 4 ack":  &KindError{9},
		"frame has flags 0x0010: only those in 0x0007 are supported":        &FlagError{16},
		"frame has reserved bytes 0x0001: they must be 0":                   &ReservedError{1},
		"frame has 70000 bytes after its header: at most 65536 are allowed": &TooLargeError{70000, 65536},
		"uplink prefix needs 18 bytes: the payload has 3":                   &PrefixError{"uplink prefix", 18, 3},
	} {
		if got := err.Error(); got != want {
			t.Errorf("error reads %q, want %q", got, want)
		}
	}
}

func TestWordsOfUnknownNumbers(t *testing.T) {
	for got, want := range map[string]string{
		Kind(9).String():                     "kind_9",
		(Flags(0x18) | FlagAgain).String():   "again+0x18",
		Header{Version: 3, Kind: 1}.String(): "request command_0.0 version=3 len=0",
	} {
		if got != want {
			t.Errorf("word is %q, want %q", got, want)
		}
	}
}

// TestNoAllocations: what runs for each frame costs no garbage.
func TestNoAllocations(t *testing.T) {
	frame, h, _ := frames(t)[6].build(t)
	dst := make([]byte, 0, 1024)
	prefix := PushPrefix{Position: 1}
	for name, f := range map[string]func(){
		"Next":         func() { _, _, _, _ = Next(frame, 1<<16) },
		"Next, short":  func() { _, _, _, _ = Next(frame[:45], 1<<16) },
		"Header":       func() { dst = h.Append(dst[:0]); _, _ = ParseHeader(dst, 1<<16) },
		"push":         func() { dst = AppendPush(dst[:0], h, prefix, frame[:8]) },
		"push prefix":  func() { _, _, _ = ParsePushPrefix(frame[HeaderSize:]) },
		"uplink":       func() { dst = AppendUplink(dst[:0], h, UplinkPrefix{Tries: 1}, frame[:8]) },
		"uplink ack":   func() { dst = AppendUplinkAck(dst[:0], h) },
		"device's ack": func() { dst = AppendAck(dst[:0], AckBody{Cursor: 1}); _, _ = ParseAckBody(dst[HeaderSize:]) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func FuzzNext(f *testing.F) {
	for _, v := range frames(f) {
		frame, _, _ := v.build(f)
		f.Add(frame)
	}
	for _, b := range badFrames() {
		f.Add(unhex(f, b.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, rest, err := Next(b, 1<<16)
		if err != nil {
			_ = errorWord(err)
			return
		}
		again := AppendFrame(nil, h, nil, payload)
		if !bytes.Equal(append(again, rest...), b) {
			t.Errorf("frame does not come back: %s", h)
		}
		_ = Describe(h, payload)
	})
}

func FuzzPrefixes(f *testing.F) {
	f.Add(PushPrefix{Position: 1, PushID: [16]byte{2}}.Append(nil))
	f.Add(UplinkPrefix{Time: 1, Lowest: 2, Tries: 3}.Append(nil))
	f.Add(AckBody{Cursor: 1, Received: 2}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, body, err := ParsePushPrefix(b); err == nil && !bytes.Equal(append(p.Append(nil), body...), b) {
			t.Error("push prefix does not come back")
		}
		if p, body, err := ParseUplinkPrefix(b); err == nil && !bytes.Equal(append(p.Append(nil), body...), b) {
			t.Error("uplink prefix does not come back")
		}
		if a, err := ParseAckBody(b); err == nil && !bytes.HasPrefix(b, a.Append(nil)) {
			t.Error("ack body does not come back")
		}
	})
}

func BenchmarkNext(b *testing.B) {
	frame, _, _ := frames(b)[6].build(b)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _, _ = Next(frame, 1<<16)
	}
}
