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
	got, err := decodeMark(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	if got.token != want.token || !slices.Equal(got.members, want.members) || got.state.term != want.state.term {
		t.Errorf("got %v, want %v", got, want)
	}
	if got.encode() != want.encode() {
		t.Errorf("serials changed on the way")
	}
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
	b := mark{state: state{serials: serials}, members: members}.encode()
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

func FuzzDecodeMark(f *testing.F) {
	f.Add("")
	f.Add(mark{state: state{serials: new(eventlog.Serials)}}.encode())
	f.Add(mark{state: state{serials: new(eventlog.Serials)}, members: []stretch{{"waybill.events", 1, 2, 3}}}.encode())
	f.Fuzz(func(t *testing.T, metadata string) {
		m, err := decodeMark(metadata)
		if err == nil && m.encode() != metadata && len(metadata) <= maxMetadata {
			again, err := decodeMark(m.encode())
			if err != nil || !slices.Equal(again.members, m.members) {
				t.Errorf("%q decodes, its encoding %q does not", metadata, m.encode())
			}
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
	} {
		if got := s.owns(step.event()); got != step.owns {
			t.Errorf("step %d: owns = %v, want %v", i, got, step.owns)
		}
	}
}
