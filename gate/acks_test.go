package gate

import (
	"strings"
	"testing"

	"waybill/internal/wire"
	"waybill/schemas"
)

func TestAcks(t *testing.T) {
	a := newAcks(10)
	say := func(cursor, received uint64, wantNext bool) {
		t.Helper()
		a.note(cursor, received)
		if got := a.next(); got != wantNext {
			t.Fatalf("after %d/%d: a report is due: %v, want %v", cursor, received, got, wantNext)
		}
	}
	say(10, 0, false) // it stands in connected
	say(9, 0, false)  // goes back
	say(12, 0, true)
	a.fly()
	say(13, 0, false) // one is under way
	a.done(true)
	if !a.next() || a.cursor != 13 {
		t.Fatalf("the newer cursor is not due: %+v", a)
	}
	a.fly()
	a.done(true)
	say(13, 15, true)
	a.fly()
	a.done(true)
	say(13, 0, false) // received 0 takes nothing back
	say(15, 0, true)  // the cursor reached it
	if a.received != 0 {
		t.Errorf("received is still %d", a.received)
	}
	a.fly()
	a.done(false)
	if !a.owed() {
		t.Error("a report that failed is not owed")
	}
	a.adopt()
	say(4, 0, true)
}

func TestHold(t *testing.T) {
	type step struct {
		sequence, lowest uint64
		taken            bool // by the log, if the hold admits it
		want             bool
	}
	for name, steps := range map[string][]step{
		"nothing refused":       {{1, 1, true, true}, {2, 1, true, true}, {3, 3, true, true}},
		"waits for the refused": {{1, 1, false, true}, {2, 1, true, false}, {3, 1, true, false}, {1, 1, true, true}, {2, 1, true, true}},
		"refused again":         {{1, 1, false, true}, {1, 1, false, true}, {2, 1, true, false}},
		"given up":              {{1, 1, false, true}, {2, 1, true, false}, {2, 2, true, true}, {3, 2, true, true}},
		"an older one passes":   {{5, 4, false, true}, {4, 4, true, true}, {6, 5, true, false}, {5, 5, true, true}},
		"an older one refused":  {{5, 4, false, true}, {4, 4, false, true}, {5, 4, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var h hold
			for i, s := range steps {
				got := h.admits(s.sequence, s.lowest)
				if got != s.want {
					t.Fatalf("step %d: admits is %v, want %v", i, got, s.want)
				}
				if got && s.taken {
					h.accept(s.sequence)
				} else {
					h.refuse(s.sequence)
				}
			}
		})
	}
}

// TestAcksOfARead: several cursors in one read are one fact, of the newest; one
// that stands before the connection's end is carried by that.
func TestAcksOfARead(t *testing.T) {
	h := newHarness(t)
	h.do("login seq=1")
	h.do("log")
	for p := uint64(1); p <= 6; p++ {
		h.conn.obey([]*schemas.Command{pushAt(p, p-1)})
	}
	h.said()
	read := func(last []byte, cursors ...uint64) string {
		var b []byte
		for _, c := range cursors {
			b = wire.AppendAck(b, wire.AckBody{Cursor: c, Received: c + 1})
		}
		h.conn.receive(append(b, last...))
		return h.said()
	}
	if got, want := read(nil, 1, 2, 3), "fact acked freight/ann/phone g2.7.1 cursor=3 received=4\n"; got != want {
		t.Errorf("three acks: %s, want %s", got, want)
	}
	h.facts.finish(nil)
	logout := wire.AppendFrame(nil, wire.Header{Kind: wire.KindRequest, Command: wire.CmdLogout, Sequence: 2}, nil, nil)
	got := read(logout, 4, 5)
	if strings.Contains(got, "acked") || !strings.Contains(got, "disconnected freight/ann/phone g2.7.1 logged_out cursor=5 received=6") {
		t.Errorf("acks before a logout: %s", got)
	}
}
