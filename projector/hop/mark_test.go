package hop

import (
	"fmt"
	"slices"
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestMarkComesBack(t *testing.T) {
	serials := new(eventlog.Serials)
	serials.Fresh(7, 3, 1_000)
	serials.Fresh(9, 5, 2_000)
	want := mark{state: state{term: schemas.At(1, 55), serials: serials}, token: token{7, 8}, members: []stretch{
		{"waybill.events", 0, 1 << 40, 1<<40 + 5000}, {"waybill.events", 3, 0, 1}, {"waybill.uplink.freight", 3, 17, 17},
	}}
	text := encoded(t, want)
	got, err := decodeMark(text)
	if err != nil {
		t.Fatal(err)
	}
	if got.token != want.token || !slices.Equal(got.members, want.members) || got.state.term != want.state.term {
		t.Errorf("got %v, want %v", got, want)
	}
	if encoded(t, got) != text {
		t.Errorf("serials changed on the way")
	}
}

func encoded(t testing.TB, m mark) string {
	t.Helper()
	text, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Brokers refuse longer metadata: the origins that spoke last are kept.
func TestMarkIsBounded(t *testing.T) {
	serials := new(eventlog.Serials)
	for origin := range uint64(1000) {
		serials.Fresh(origin+1, 1, int64(origin))
	}
	var members []stretch
	for i := range int64(maxMembers) { // as large as they get
		members = append(members, stretch{fmt.Sprint("waybill.uplink.some-app-", i/8), int32(i), 1<<47 + i, 1<<47 + 300_000})
	}
	b := encoded(t, mark{state: state{serials: serials}, members: members})
	if len(b) > maxMetadata {
		t.Fatalf("%d bytes, want at most %d", len(b), maxMetadata)
	}
	got, err := decodeMark(b)
	if err != nil {
		t.Fatal(err)
	}
	if n := got.state.serials.Len(); n < 50 {
		t.Errorf("%d origins are left, want at least 50", n)
	}
	got.state.serials.Each(func(origin uint64, _ eventlog.Mark) {
		if origin < 500 {
			t.Errorf("kept origin %d, which has been silent for longer than others", origin)
		}
	})
}

// A flush that no mark could name is an error before anything is sent.
func TestMarkIsNeverTooLong(t *testing.T) {
	var members []stretch
	for i := range maxMembers {
		members = append(members, stretch{longTopic(i), 0, 1 << 40, 1<<40 + 100_000})
	}
	if text, err := (mark{state: state{serials: new(eventlog.Serials)}, members: members}).encode(); err == nil {
		t.Errorf("%d bytes, no error", len(text))
	}
}

// longTopic has an app's name of 40 characters.
func longTopic(i int) string { return fmt.Sprintf("waybill.uplink.%040d", i) }

func FuzzDecodeMark(f *testing.F) {
	f.Add("")
	f.Add(encoded(f, mark{state: state{serials: new(eventlog.Serials)}}))
	f.Add(encoded(f, mark{state: state{serials: new(eventlog.Serials)}, members: []stretch{{"waybill.events", 1, 2, 3}}}))
	f.Fuzz(func(t *testing.T, metadata string) {
		m, err := decodeMark(metadata)
		if err != nil {
			return
		}
		text, err := m.encode()
		if err != nil || text == metadata {
			return // of members that nobody would have stored
		}
		again, err := decodeMark(text)
		if err != nil || !slices.Equal(again.members, m.members) {
			t.Errorf("%q decodes, its encoding %q does not", metadata, text)
		}
	})
}

func TestOnlyTheNewestTermDecides(t *testing.T) {
	claimed := func(at schemas.Position) (*schemas.Event, schemas.Position) {
		return &schemas.Event{Kind: schemas.Kind_KIND_CLAIMED}, at
	}
	outcome := func(term uint64, at schemas.Position) (*schemas.Event, schemas.Position) {
		return &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Term: term}, at
	}
	var s state
	for i, step := range []struct {
		event func() (*schemas.Event, schemas.Position)
		owns  bool
	}{
		{func() (*schemas.Event, schemas.Position) { return outcome(4, 10) }, true}, // its claim is older than the reading
		{func() (*schemas.Event, schemas.Position) { return outcome(3, 11) }, false},
		{func() (*schemas.Event, schemas.Position) { return claimed(12) }, true},
		{func() (*schemas.Event, schemas.Position) { return outcome(4, 13) }, false},
		{func() (*schemas.Event, schemas.Position) { return outcome(12, 14) }, true},
		{func() (*schemas.Event, schemas.Position) {
			return &schemas.Event{Kind: schemas.Kind_KIND_SENT}, 15
		}, true},
		{func() (*schemas.Event, schemas.Position) {
			return &schemas.Event{Kind: schemas.Kind_KIND_SEALED}, 16
		}, false},
		{func() (*schemas.Event, schemas.Position) { return claimed(17) }, false}, // behind the seal
		{func() (*schemas.Event, schemas.Position) { return outcome(17, 18) }, false},
		{func() (*schemas.Event, schemas.Position) {
			return &schemas.Event{Kind: schemas.Kind_KIND_PUSHED}, 19
		}, false},
	} {
		if got := s.owns(step.event()); got != step.owns {
			t.Errorf("step %d: owns = %v, want %v", i, got, step.owns)
		}
	}
}
