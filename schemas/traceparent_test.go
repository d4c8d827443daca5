package schemas

import "testing"

func TestTraceparent(t *testing.T) {
	trace, span := ID{0: 0x0a, 8: 0xb7, 15: 1}, []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for _, c := range []struct {
		event *Event
		want  string
	}{
		{&Event{TraceId: trace[:], ParentSpan: span}, "00-0a00000000000000b700000000000001-0102030405060708-01"},
		{&Event{TraceId: trace[:]}, "00-0a00000000000000b700000000000001-b700000000000001-01"},
	} {
		if got := string(c.event.AppendTraceparent(nil)); got != c.want || len(got) != TraceparentSize {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
