package eventlog

import "testing"

// The steps of a transcript: a accepts, e ends; upper case where the records
// that wait must be sent then.
func TestFlight(t *testing.T) {
	for name, steps := range map[string]string{
		"alone":                          "AeAeAe",
		"in company":                     "AaaaEeeeAe",
		"company of its own":             "AaEaaEee",
		"a flight of two ends as whole":  "AaaEaeEe",
		"answered before it was counted": "eaAe",
		"many at once":                   "AaaaaEaaeeeEee",
	} {
		t.Run(name, func(t *testing.T) {
			var f flight
			for i, s := range steps {
				var got, want bool
				switch s {
				case 'a', 'A':
					got, want = f.accept(), s == 'A'
				default:
					got, want = f.end(), s == 'E'
				}
				if got != want {
					t.Fatalf("step %d (%c): send = %v", i+1, s, got)
				}
			}
			if f.out || f.accepted != f.ended {
				t.Errorf("at the end: out %v, accepted %d, ended %d", f.out, f.accepted, f.ended)
			}
		})
	}
}
