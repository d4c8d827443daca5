package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the vectors in testdata anew")

// vector is one whole frame, for codecs in any language: its bytes, each of
// its fields as a number or as hex, and the line that Describe makes of it.
// The frame is described by its fields alone; hex is derived.
type vector struct {
	Name     string  `json:"name"`
	Hex      string  `json:"hex"`
	Kind     Kind    `json:"kind"`
	Flags    Flags   `json:"flags"`
	Family   uint16  `json:"family"`
	Command  uint16  `json:"command"`
	Status   uint16  `json:"status"`
	Length   uint32  `json:"length"`
	Sequence uint64  `json:"sequence,string"`
	Trace    string  `json:"trace"`
	Push     *pushJS `json:"push_prefix,omitempty"`
	Uplink   *upJS   `json:"uplink_prefix,omitempty"`
	Ack      *ackJS  `json:"ack,omitempty"`
	Body     string  `json:"body"`
	Plain    string  `json:"decompressed,omitempty"`
	Describe string  `json:"describe"`
}

type pushJS struct {
	Position uint64 `json:"position,string"`
	PushID   string `json:"push_id"`
}

type upJS struct {
	Time   int64  `json:"time,string"`
	Lowest uint64 `json:"lowest,string"`
	Tries  uint16 `json:"tries"`
}

type ackJS struct {
	Cursor   uint64 `json:"cursor,string"`
	Received uint64 `json:"received,string"`
}

const (
	someTrace = "0193a1b2c3d47e5f8899aabbccddeeff"
	somePush  = "0193a1b2c3d47000a1a2a3a4a5a6a7a8"
	zeroID    = "00000000000000000000000000000000"
)

// frames are the vectors before their bytes are known. Bodies of family 0 are
// hand-encoded protobuf of schemas/session.proto.
func frames(t testing.TB) []vector {
	long := bytes.Repeat([]byte("waybill "), 64)
	return []vector{
		{Name: "login", Kind: KindRequest, Command: CmdLogin, Sequence: 1, Trace: zeroID,
			Body: "0a01741220" + "0a10000102030405060708090a0b0c0d0e0f" + "1001" + "2203696f73" + "2a03312e30" + "4001"},
		{Name: "welcome", Kind: KindResponse, Command: CmdLogin, Sequence: 1, Trace: zeroID,
			Body: "0a10f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff" + "12027469" + "18e0d403" + "2206673a373030" + "31"},
		{Name: "login refused", Kind: KindResponse, Command: CmdLogin, Status: 12, Sequence: 1, Trace: zeroID,
			Body: "080c1207657870697265643000"},
		{Name: "resumed", Kind: KindPush, Command: CmdResumed, Trace: zeroID, Push: &pushJS{Position: 42, PushID: zeroID}},
		{Name: "heartbeat", Kind: KindRequest, Command: CmdHeartbeat, Sequence: 2, Trace: zeroID, Body: "082a"},
		{Name: "heartbeat answered", Kind: KindResponse, Command: CmdHeartbeat, Sequence: 2, Trace: zeroID},
		{Name: "push", Kind: KindPush, Family: 7, Command: 0x0301, Trace: someTrace,
			Push: &pushJS{Position: 43, PushID: somePush}, Body: hex.EncodeToString([]byte("an order"))},
		{Name: "push again", Kind: KindPush, Flags: FlagAgain, Family: 7, Command: 0x0301, Trace: someTrace,
			Push: &pushJS{Position: 43, PushID: somePush}, Body: hex.EncodeToString([]byte("an order"))},
		{Name: "push of epoch 1, compressed", Kind: KindPush, Flags: FlagCompressed, Family: 7, Command: 0x0301, Trace: someTrace,
			Push: &pushJS{Position: 1<<48 | 1, PushID: somePush}, Plain: hex.EncodeToString(long), Body: compressed(t, long)},
		{Name: "ack", Kind: KindAck, Command: CmdAck, Trace: zeroID, Ack: &ackJS{Cursor: 43}},
		{Name: "received", Kind: KindAck, Command: CmdAck, Trace: zeroID, Ack: &ackJS{Cursor: 42, Received: 43}},
		{Name: "uplink, one-way", Kind: KindRequest, Flags: FlagOneWay, Family: 9, Command: 0x0100, Sequence: 3, Trace: someTrace,
			Uplink: &upJS{Time: 1764072000000000, Lowest: 3, Tries: 1}, Body: hex.EncodeToString([]byte("48.1,11.5"))},
		{Name: "uplink acknowledged", Kind: KindAck, Family: 9, Command: 0x0100, Sequence: 3, Trace: someTrace},
		{Name: "uplink, request, second try", Kind: KindRequest, Family: 9, Command: 0x0200, Sequence: 4, Trace: someTrace,
			Uplink: &upJS{Time: 1764072001000000, Lowest: 3, Tries: 2}, Body: hex.EncodeToString([]byte("price?"))},
		{Name: "uplink held", Kind: KindResponse, Family: 9, Command: 0x0200, Status: 36, Sequence: 4, Trace: someTrace,
			Push: &pushJS{PushID: zeroID}, Body: "0824"},
		{Name: "uplink answered", Kind: KindResponse, Family: 9, Command: 0x0200, Sequence: 4, Trace: someTrace,
			Push: &pushJS{Position: 44, PushID: somePush}, Body: hex.EncodeToString([]byte("12 EUR"))},
		{Name: "close", Kind: KindPush, Command: CmdClose, Trace: zeroID, Push: &pushJS{PushID: zeroID}, Body: "0817180120e807"},
		{Name: "error", Kind: KindPush, Command: CmdError, Trace: zeroID, Push: &pushJS{PushID: zeroID}, Body: "08041a0101"},
		{Name: "largest numbers", Kind: KindPush, Flags: KnownFlags, Family: 65535, Command: 65535, Status: 65535,
			Sequence: 1<<64 - 1, Trace: strings.Repeat("ff", 16), Push: &pushJS{Position: 1<<64 - 1, PushID: strings.Repeat("ff", 16)}, Body: "00"},
	}
}

// bad is a header that must be refused, with a limit of 64 KiB.
type bad struct {
	Name  string `json:"name"`
	Hex   string `json:"hex"`
	Error string `json:"error"` // version, kind, flags, reserved, too_large or short
}

func badFrames() []bad {
	ok := "01030000" + "00070301" + "00000000" + "00000018" + strings.Repeat("00", 24)
	return []bad{
		{"version 0", "00" + ok[2:], "version"},
		{"version 2", "02" + ok[2:], "version"},
		{"wrong version at the first byte", "47", "version"},
		{"kind 0", "0100" + ok[4:], "kind"},
		{"kind 5", "0105" + ok[4:], "kind"},
		{"an unknown flag", "01030008" + ok[8:], "flags"},
		{"reserved bytes", ok[:20] + "0001" + ok[24:], "reserved"},
		{"one byte over 64 KiB", ok[:24] + "00010001" + ok[32:], "too_large"},
		{"length of all ones", ok[:24] + "ffffffff", "too_large"},
		{"nothing", "", "short"},
		{"39 bytes of a header", ok[:78], "short"},
		{"a header without its payload", ok, "short"},
	}
}

func TestVectors(t *testing.T) {
	all := frames(t)
	for i := range all {
		frame, h, payload := all[i].build(t)
		all[i].Hex, all[i].Length, all[i].Describe = hex.EncodeToString(frame), h.Length, Describe(h, payload)
	}
	golden(t, "frames.json", all)
	golden(t, "bad.json", badFrames())
}

// TestVectorsParse reads the files as a codec in another language would.
func TestVectorsParse(t *testing.T) {
	var all []vector
	load(t, "frames.json", &all)
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) { v.check(t) })
	}
}

func TestBadVectors(t *testing.T) {
	var all []bad
	load(t, "bad.json", &all)
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			_, _, rest, err := Next(unhex(t, v.Hex), 64<<10)
			if got := errorWord(err); got != v.Error {
				t.Errorf("error is %q (%v), want %q", got, err, v.Error)
			}
			if len(rest) != len(v.Hex)/2 {
				t.Errorf("%d bytes are left, want all %d", len(rest), len(v.Hex)/2)
			}
		})
	}
}

// errorWord is how bad.json names an error.
func errorWord(err error) string {
	var (
		version  *VersionError
		kind     *KindError
		flags    *FlagError
		reserved *ReservedError
		large    *TooLargeError
	)
	switch {
	case errors.As(err, &version):
		return "version"
	case errors.As(err, &kind):
		return "kind"
	case errors.As(err, &flags):
		return "flags"
	case errors.As(err, &reserved):
		return "reserved"
	case errors.As(err, &large):
		return "too_large"
	case errors.Is(err, ErrShort):
		return "short"
	}
	return "none"
}

// build appends the frame with the codec.
func (v vector) build(t testing.TB) (frame []byte, h Header, payload []byte) {
	h = Header{Kind: v.Kind, Flags: v.Flags, Family: v.Family, Command: v.Command, Status: v.Status,
		Sequence: v.Sequence, Trace: [16]byte(unhex(t, v.Trace))}
	frame = AppendFrame(nil, h, v.prefix(t), unhex(t, v.Body))
	h, payload, rest, err := Next(frame, 1<<20)
	if err != nil || len(rest) != 0 {
		t.Fatalf("%s: own frame does not parse: %v, %d bytes left", v.Name, err, len(rest))
	}
	return frame, h, payload
}

func (v vector) prefix(t testing.TB) []byte {
	switch {
	case v.Push != nil:
		return PushPrefix{v.Push.Position, [16]byte(unhex(t, v.Push.PushID))}.Append(nil)
	case v.Uplink != nil:
		return UplinkPrefix{v.Uplink.Time, v.Uplink.Lowest, v.Uplink.Tries}.Append(nil)
	case v.Ack != nil:
		return AckBody{v.Ack.Cursor, v.Ack.Received}.Append(nil)
	}
	return nil
}

// check parses the vector's bytes and compares each field.
func (v vector) check(t *testing.T) {
	h, payload, _, err := Next(unhex(t, v.Hex), 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	got := vector{Name: v.Name, Hex: v.Hex, Kind: h.Kind, Flags: h.Flags, Family: h.Family, Command: h.Command,
		Status: h.Status, Length: h.Length, Sequence: h.Sequence, Trace: hex.EncodeToString(h.Trace[:]), Describe: Describe(h, payload)}
	body := got.split(t, h, payload)
	got.Body = hex.EncodeToString(body)
	if v.Plain != "" {
		got.Plain = hex.EncodeToString(decompress(t, body))
	}
	if d := cmp.Diff(v, got); d != "" {
		t.Errorf("fields differ (-file +parsed):\n%s", d)
	}
}

// split reads the prefix into v and returns the body.
func (v *vector) split(t *testing.T, h Header, payload []byte) []byte {
	t.Helper()
	switch {
	case h.PrefixSize() == PushPrefixSize:
		p, body, err := ParsePushPrefix(payload)
		if err != nil {
			t.Fatal(err)
		}
		v.Push = &pushJS{p.Position, hex.EncodeToString(p.PushID[:])}
		return body
	case h.PrefixSize() == UplinkPrefixSize:
		p, body, err := ParseUplinkPrefix(payload)
		if err != nil {
			t.Fatal(err)
		}
		v.Uplink = &upJS{p.Time, p.Lowest, p.Tries}
		return body
	case h.Kind == KindAck && h.Family == FamilySession:
		a, err := ParseAckBody(payload)
		if err != nil {
			t.Fatal(err)
		}
		v.Ack = &ackJS{a.Cursor, a.Received}
		return nil
	}
	return payload
}

// golden compares what is generated with a file, or writes it under -update.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs; go test -update writes it anew (-file +now):\n%s", path, d)
	}
}

func load(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
