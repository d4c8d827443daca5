package load

import (
	"bytes"
	"fmt"
	"math"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// message writes a field of bytes.
func message(number protowire.Number, b []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), b)
}

func varint(number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v)
}

// tinyProfile has one sample of 30 ns: inner called by outer.
func tinyProfile() []byte {
	var b []byte
	packed := protowire.AppendVarint(protowire.AppendVarint(nil, 3), 30)
	sample := slices.Concat(varint(sampleLocation, 1), varint(sampleLocation, 2), message(sampleValue, packed))
	b = append(b, message(profileSample, sample)...)
	for id := range uint64(2) {
		line := message(locationLine, varint(lineFunction, 10+id))
		b = append(b, message(profileLocation, slices.Concat(varint(locationID, 1+id), line))...)
		b = append(b, message(profileFunction, slices.Concat(varint(functionID, 10+id), varint(functionName, 1+id)))...)
	}
	for _, s := range []string{"", "inner", "outer"} {
		b = append(b, message(profileString, []byte(s))...)
	}
	return b
}

func TestParseProfile(t *testing.T) {
	got, err := parseProfile(tinyProfile())
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	if got[0].nanos != 30 || !slices.Equal(got[0].stack, []string{"inner", "outer"}) {
		t.Errorf("sample %+v", got[0])
	}
	if _, err := parseProfile([]byte("no profile")); err == nil {
		t.Error("what is no profile is taken for one")
	}
}

// The runtime's own form, packed.
func TestParseProfileOfTheRuntime(t *testing.T) {
	var b bytes.Buffer
	if err := pprof.StartCPUProfile(&b); err != nil {
		t.Skip(err)
	}
	x := 1.0
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
		x = math.Sqrt(x + 1)
	}
	pprof.StopCPUProfile()
	samples, err := parseProfile(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	mine := slices.ContainsFunc(samples, func(s stackSample) bool {
		return s.nanos > 0 && slices.ContainsFunc(s.stack, func(f string) bool { return strings.HasSuffix(f, "TestParseProfileOfTheRuntime") })
	})
	if !mine {
		t.Errorf("none of %d samples is of this function, which took %s (%v)", len(samples), 300*time.Millisecond, x)
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add(tinyProfile())
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseProfile(b) })
}

func TestOwnerOf(t *testing.T) {
	for want, stack := range map[string]string{
		"gate":                        "internal/runtime/syscall/linux.Syscall6 syscall.write waybill/gate.(*conn).flush waybill/gate.(*loop).run",
		"the log's client (franz-go)": "runtime.memmove github.com/twmb/franz-go/pkg/kgo.(*sink).produce waybill/internal/eventlog.(*Log).Append waybill/ingest.(*Server).push",
		"broker (embedded Kafka)":     "runtime.mallocgc github.com/twmb/franz-go/pkg/kfake.(*Cluster).run",
		"garbage collector":           "runtime.scanobject runtime.gcDrain runtime.gcBgMarkWorker",
		partRuntime:                   "runtime.futex runtime.findRunnable runtime.schedule runtime.mcall",
		partOther:                     "main.main runtime.main extra",
	} {
		if got := ownerOf(strings.Fields(stack)); got != want {
			t.Errorf("%s: %q, want %q", stack, got, want)
		}
	}
}

func TestSummarize(t *testing.T) {
	p := summarize([]stackSample{
		{strings.Fields("internal/runtime/syscall/linux.Syscall6 waybill/gate.f"), 3e9},
		{strings.Fields("runtime.memclr runtime.mallocgc waybill/gate.g"), 1e9},
		{strings.Fields("waybill/ingest.h"), 4e9},
		{strings.Fields("waybill/delivery.h"), 2e9},
	}, 50)
	var got []string
	for _, part := range p.Parts {
		got = append(got, fmt.Sprintf("%s %.0f %.1f %.1f", part.Name, part.Micros, part.Kernel, part.Memory))
	}
	want := []string{"gate 20 0.3 0.1", "ingest 20 0.0 0.0", "delivery 10 0.0 0.0"}
	if !slices.Equal(got, want) || p.Seconds != 10 {
		t.Errorf("%v, want %v", got, want)
	}
	if words := p.words(); !strings.Contains(words, "gate 20.0, ingest 20.0, delivery 10.0. In all, 30 %") {
		t.Error(words)
	}
}
