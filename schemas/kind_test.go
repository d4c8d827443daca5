package schemas

import "testing"

// TestDecided: what a worker decides has a number from 21 on and below those of
// the gates topic, also what a newer version decides. Claims and seals belong to
// no term.
func TestDecided(t *testing.T) {
	for kind, want := range map[Kind]bool{
		Kind_KIND_IDENTIFIED: false, Kind_KIND_CLAIMED: false, Kind_KIND_RELEASED: true, Kind_KIND_RESTATED: true,
		Kind_KIND_SEALED: false, Kind_KIND_UNREACHED: true, 39: true, Kind_KIND_STARTED: false, Kind_KIND_REVOKED: false, 99: false,
	} {
		if kind.Decided() != want {
			t.Errorf("%v (%d): %v, want %v", kind, kind, !want, want)
		}
	}
}
