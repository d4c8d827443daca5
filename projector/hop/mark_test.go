package hop

import (
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

func TestMarkComesBack(t *testing.T) {
	serials := new(eventlog.Serials)
	serials.Fresh(7, 3, 1_000)
	serials.Fresh(9, 5, 2_000)
	want := mark{next: 1234, state: state{term: schemas.At(1, 55), serials: serials}}
	got, err := decodeMark(want.encode())
	if err != nil {
		t.Fatal(err)
	}
	if got.next != want.next || got.state.term != want.state.term {
		t.Errorf("got next %d term %v, want %d %v", got.next, got.state.term, want.next, want.state.term)
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
	b := mark{state: state{serials: serials}}.encode()
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
	f.Add(mark{next: 5, state: state{serials: new(eventlog.Serials)}}.encode())
	f.Fuzz(func(t *testing.T, metadata string) {
		m, err := decodeMark(metadata)
		if err == nil && m.encode() != metadata && len(metadata) <= maxMetadata {
			again, err := decodeMark(m.encode())
			if err != nil || again.next != m.next {
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
