package schemas

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var update = flag.Bool("update", false, "write golden bytes of new kinds and new fields; old bytes must still hold")

// wireMessage is a message with the fast code beside it, as the stages use it.
type wireMessage interface {
	proto.Message
	MarshalVT() ([]byte, error)
	UnmarshalVT([]byte) error
}

// firstBody is the number of the field before the first body of Event: kind N
// has the body 100+N.
const firstBody = 100

// goldens are one message for each kind of event and command and for each
// session body, all fields set, by the name of its file.
func goldens(t *testing.T) map[string]wireMessage {
	t.Helper()
	all := map[string]wireMessage{
		"session_login": &Login{}, "session_resume": &Resume{}, "session_welcome": &Welcome{}, "session_resumed": &Resumed{},
		"session_heartbeat": &Heartbeat{}, "session_opened_report": &OpenedReport{}, "session_logout": &Logout{},
		"session_close": &Close{}, "session_redirect": &Redirect{}, "session_error": &Error{}, "session_ticket": &Ticket{},
	}
	for _, m := range all {
		fill(m.ProtoReflect(), nil)
	}
	for n := range Kind_name {
		if kind := Kind(n); kind != Kind_KIND_UNSPECIFIED {
			all["event_"+kind.Word()] = goldenEvent(t, kind)
		}
	}
	for n, name := range CommandKind_name {
		if n == 0 {
			continue
		}
		c := &Command{}
		fill(c.ProtoReflect(), nil)
		c.Kind = CommandKind(n)
		all["command_"+strings.ToLower(strings.TrimPrefix(name, "COMMAND_KIND_"))] = c
	}
	return all
}

func goldenEvent(t *testing.T, kind Kind) *Event {
	t.Helper()
	body := protoreflect.FieldNumber(firstBody + kind)
	e := &Event{}
	if e.ProtoReflect().Descriptor().Fields().ByNumber(body) == nil {
		t.Fatalf("%v has no body: the field %d of Event", kind, body)
	}
	fill(e.ProtoReflect(), func(f protoreflect.FieldDescriptor) bool { return f.Number() < firstBody || f.Number() == body })
	e.Kind = kind
	return e
}

// fill sets every field for which want is true (nil = all) to a value that
// follows from its number and name.
func fill(m protoreflect.Message, want func(protoreflect.FieldDescriptor) bool) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case want != nil && !want(f):
		case f.IsList():
			list := m.Mutable(f).List()
			for range 2 {
				list.Append(value(f, list.NewElement))
			}
		default:
			m.Set(f, value(f, func() protoreflect.Value { return m.NewField(f) }))
		}
	}
}

func value(f protoreflect.FieldDescriptor, empty func() protoreflect.Value) protoreflect.Value {
	n := uint64(f.Number())
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(1).Number())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(string(f.Name()))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(bytes.Repeat([]byte{byte(n)}, len(ID{})))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(n) * 1_001)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(n) * 1_000_000_007)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(n * 1_000_000_000_039)
	}
	nested := empty()
	fill(nested.Message(), nil)
	return nested
}

// TestGolden keeps old logs readable. A file that is missing, or lacks a field
// that was added, is written with -update; a file that says something else is
// the mark of a changed or removed field, and is never overwritten.
func TestGolden(t *testing.T) {
	all := goldens(t)
	for name, m := range all {
		t.Run(name, func(t *testing.T) { checkGolden(t, filepath.Join("testdata", "golden", name+".bin"), m) })
	}
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if all[name[:len(name)-len(".bin")]] == nil {
			t.Errorf("%s is of no kind: a kind is never removed", file)
		}
	}
}

func checkGolden(t *testing.T, file string, want wireMessage) {
	encoded, err := want.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	golden, err := os.ReadFile(file)
	if os.IsNotExist(err) && *update {
		writeGolden(t, file, encoded)
		return
	}
	if err != nil {
		t.Fatalf("%v; write it with: go test ./schemas -update", err)
	}
	got := want.ProtoReflect().New().Interface().(wireMessage)
	if err := got.UnmarshalVT(golden); err != nil {
		t.Fatalf("the old bytes cannot be read: %v", err)
	}
	if !holds(t, got.ProtoReflect(), want.ProtoReflect()) {
		t.Fatal("a field was changed or removed; fields are only ever added")
	}
	if bytes.Equal(golden, encoded) {
		return
	}
	if !*update {
		t.Fatal("a field was added that the golden bytes lack; add it with: go test ./schemas -update")
	}
	writeGolden(t, file, encoded)
}

// holds says that everything in old stands in filled too.
func holds(t *testing.T, old, filled protoreflect.Message) bool {
	t.Helper()
	same := len(old.GetUnknown()) == 0
	old.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		equal := v.Equal(filled.Get(f))
		if f.Message() != nil && !f.IsList() {
			equal = holds(t, v.Message(), filled.Get(f).Message())
		}
		if f.Message() != nil && f.IsList() {
			equal = holds(t, v.List().Get(0).Message(), filled.Get(f).List().Get(0).Message())
		}
		if !equal {
			t.Errorf("%s is %v in the golden bytes, want %v", f.FullName(), v, filled.Get(f))
		}
		same = same && equal
		return true
	})
	return same
}

func writeGolden(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("wrote %s", file)
}

// Both encoders, and the decoder that aliases its input, agree on every kind.
func TestFastCodeAgrees(t *testing.T) {
	for name, m := range goldens(t) {
		fast, err := m.MarshalVT()
		if err != nil {
			t.Fatal(err)
		}
		again := m.ProtoReflect().New().Interface()
		if err := proto.Unmarshal(fast, again); err != nil || !proto.Equal(m, again) {
			t.Errorf("%s: the standard decoder reads something else (%v)", name, err)
		}
		aliased := m.ProtoReflect().New().Interface().(interface{ UnmarshalVTUnsafe([]byte) error })
		if err := aliased.UnmarshalVTUnsafe(fast); err != nil || !proto.Equal(m, aliased.(proto.Message)) {
			t.Errorf("%s: the aliasing decoder reads something else (%v)", name, err)
		}
	}
}
