package crash

import (
	"testing"

	"waybill/internal/e2e/readmodels"
)

// TestEnough: a checksum of too little proves nothing.
func TestEnough(t *testing.T) {
	r := &run{office: &office{pushes: []push{{request: request{User: awayUser(0)}}, {request: request{User: "user-000"}}, {request: request{User: awayUser(1)}}}}}
	most := readmodels.Standing{Pushes: 2, Sessions: Devices + absent/2, Routes: Devices}
	if err := r.enough(most); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*readmodels.Standing){
		"a push is missing":    func(s *readmodels.Standing) { s.Pushes-- },
		"a session is missing": func(s *readmodels.Standing) { s.Sessions-- },
		"a route is missing":   func(s *readmodels.Standing) { s.Routes-- },
	} {
		s := most
		spoil(&s)
		if r.enough(s) == nil {
			t.Errorf("%s: %+v is enough", name, s)
		}
	}
}
