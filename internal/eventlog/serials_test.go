package eventlog

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const second = int64(1_000_000)

func TestFresh(t *testing.T) {
	type record struct {
		origin, serial uint64
		at             int64
		want           bool
	}
	for name, records := range map[string][]record{
		"rising":                {{1, 1, 10, true}, {1, 2, 11, true}},
		"the same again":        {{1, 1, 10, true}, {1, 1, 11, false}},
		"an older one":          {{1, 5, 10, true}, {1, 4, 11, false}},
		"holes are no repeats":  {{1, 1, 10, true}, {1, 9, 11, true}},
		"origins are apart":     {{1, 5, 10, true}, {2, 5, 11, true}},
		"no origin":             {{0, 0, 10, true}, {0, 0, 11, true}},
		"within the hour":       {{1, 5, 0, true}, {1, 5, forgetAfter, false}},
		"after the hour":        {{1, 5, 0, true}, {1, 5, forgetAfter + 1, true}},
		"the hour is renewed":   {{1, 5, 0, true}, {1, 6, forgetAfter, true}, {1, 6, 2 * forgetAfter, false}},
		"repeats renew nothing": {{1, 5, 0, true}, {1, 5, forgetAfter, false}, {1, 5, forgetAfter + 1, true}},
		"others' time counts":   {{1, 5, 0, true}, {2, 1, forgetAfter + 1, true}, {1, 5, forgetAfter + 1, true}},
		"a clock that fell":     {{1, 5, 100 * second, true}, {2, 1, 99 * second, true}, {1, 5, second, false}},
	} {
		t.Run(name, func(t *testing.T) {
			var s Serials
			for i, r := range records {
				if got := s.Fresh(r.origin, r.serial, r.at); got != r.want {
					t.Errorf("record %d: %v, want %v", i, got, r.want)
				}
			}
		})
	}
}

// What is held does not depend on when it was stored and read again, nor on
// when the forgotten were swept.
func TestSerialsSurviveStoring(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var straight, stored, rows Serials
	at := int64(0)
	for range 20_000 {
		at += rng.Int64N(forgetAfter / 200)
		origin, serial := 1+rng.Uint64N(500), rng.Uint64N(50)
		want := straight.Fresh(origin, serial, at)
		if got := stored.Fresh(origin, serial, at); got != want {
			t.Fatalf("stored says %v, want %v", got, want)
		}
		if got := rows.Fresh(origin, serial, at); got != want {
			t.Fatalf("rows say %v, want %v", got, want)
		}
		if rng.IntN(50) == 0 {
			stored = reencode(t, &stored)
			rows = *byRows(&rows)
		}
	}
	if diff := cmp.Diff(straight.Encode(nil), rows.Encode(nil)); diff != "" {
		t.Error(diff)
	}
}

func reencode(t *testing.T, s *Serials) Serials {
	t.Helper()
	var again Serials
	if err := again.Decode(s.Encode(nil)); err != nil {
		t.Fatal(err)
	}
	return again
}

func byRows(s *Serials) *Serials {
	again := new(Serials)
	s.Each(func(origin uint64, m Mark) { again.Set(origin, m) })
	again.SetTime(s.Time())
	return again
}

func TestSerialsForgetWhatIsOld(t *testing.T) {
	var s Serials
	for origin := range uint64(10_000) {
		s.Fresh(origin+1, 1, int64(origin)*forgetAfter/10)
	}
	if len(s.marks) > 3*smallestSweep {
		t.Errorf("%d marks are held", len(s.marks))
	}
	if n := s.Len(); n != 11 {
		t.Errorf("%d origins are remembered, want those of an hour: 11", n)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	var s Serials
	s.Fresh(1, 1, 1)
	c := s.Clone()
	c.Fresh(1, 2, 2)
	if s.Time() != 1 || !s.Fresh(1, 2, 2) {
		t.Error("the clone changed its origin")
	}
}

func TestDecodeSerialsRefuses(t *testing.T) {
	var good Serials
	good.Fresh(1, 1, second)
	good.Fresh(2, 1, second)
	b := good.Encode(nil)
	swapped := append(bytes.Clone(b[:serialsHead]), b[serialsHead+serialsRow:]...)
	swapped = append(swapped, b[serialsHead:serialsHead+serialsRow]...)
	for name, test := range map[string]struct {
		bytes []byte
		want  string
	}{
		"version":  {[]byte{2}, "version 2, want 1"},
		"short":    {b[:5], "5 bytes"},
		"cut":      {b[:len(b)-1], "56 bytes"},
		"unsorted": {swapped, "not rising"},
		"future":   {append(bytes.Repeat([]byte{0}, 0), append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, b[serialsHead:]...)...), "does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			var s Serials
			if err := s.Decode(test.bytes); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if s.Len() != 0 || s.Time() != 0 {
				t.Error("serials are not empty after an error")
			}
		})
	}
}

// What decodes has exactly one encoding.
func FuzzDecodeSerials(f *testing.F) {
	var s Serials
	f.Add(s.Encode(nil))
	s.Fresh(1, 2, second)
	s.Fresh(9, 1, 2*second)
	f.Add(s.Encode(nil))
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Serials
		if s.Decode(b) != nil || len(b) == 0 {
			return
		}
		if got := s.Encode(nil); !bytes.Equal(got, b) {
			t.Errorf("decoded and encoded again:\n%x\n%x", b, got)
		}
	})
}

func BenchmarkFresh(b *testing.B) {
	var s Serials
	for origin := range uint64(20) {
		s.Fresh(origin+1, 1, 1)
	}
	b.ReportAllocs()
	n := uint64(1)
	for b.Loop() {
		n++
		s.Fresh(1+n%20, n, int64(n))
	}
}
