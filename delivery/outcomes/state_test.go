package outcomes

import (
	"slices"
	"testing"

	"waybill/internal/eventlog"
	"waybill/schemas"
)

// Of which decisions a reader takes notice, claim by claim.
func TestOwns(t *testing.T) {
	s := newState()
	decision := func(term uint64) *schemas.Event { return &schemas.Event{Kind: schemas.Kind_KIND_OUTCOME, Term: term} }
	unreached := func(term uint64) *schemas.Event {
		return &schemas.Event{Kind: schemas.Kind_KIND_UNREACHED, Term: term}
	}
	for at, c := range []struct {
		event *schemas.Event
		owned bool
	}{
		{decision(3), true}, // its claim was before the beginning
		{decision(2), false},
		{&schemas.Event{Kind: schemas.Kind_KIND_PUSHED}, true},
		{&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED}, true},
		{decision(3), false},
		{decision(4), true},
		{unreached(3), false},
		{unreached(4), true},
		{&schemas.Event{Kind: schemas.Kind_KIND_SEALED}, false}, // nothing counts behind it
		{&schemas.Event{Kind: schemas.Kind_KIND_CLAIMED}, false},
		{decision(10), false},
		{&schemas.Event{Kind: schemas.Kind_KIND_PUSHED}, false},
	} {
		if got := s.owns(c.event, schemas.Position(at+1)); got != c.owned {
			t.Errorf("record %d: %v, want %v", at, got, c.owned)
		}
	}
}

func TestStateComesBack(t *testing.T) {
	for _, origins := range []int{0, 1, 100, 1000} {
		s := newState()
		s.term = 77
		for n := range origins {
			s.serials.Fresh(uint64(n+1), 5, noon+int64(n))
		}
		text := s.encode()
		if len(text) > stateMost {
			t.Fatalf("%d origins take %d bytes", origins, len(text))
		}
		got, err := decodeState(text)
		if err != nil || got.term != 77 || got.serials.Time() != s.serials.Time() {
			t.Errorf("%d origins: %+v, %v", origins, got, err)
		}
		if origins > 0 && got.serials.Fresh(uint64(origins), 5, noon) {
			t.Errorf("of %d origins the last one is forgotten", origins)
		}
		if origins <= 100 && got.serials.Len() != origins {
			t.Errorf("%d origins came back as %d", origins, got.serials.Len())
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	s := newState()
	s.serials.Fresh(1, 2, noon)
	f.Add(s.encode())
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := decodeState(text)
		if s.serials == nil {
			t.Fatal("no serials")
		}
		if err != nil || text == "" {
			return
		}
		again, err := decodeState(s.encode())
		if err != nil || again.term != s.term || !slices.Equal(again.serials.Encode(nil), s.serials.Encode(nil)) {
			t.Errorf("%q: %v", text, err)
		}
	})
}

var _ appender = (*eventlog.Appender)(nil)
