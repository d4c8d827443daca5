package mailbox_test

import (
	"testing"

	"waybill/internal/mailbox"
	"waybill/internal/mailbox/mailboxtest"
)

func fold(log []mailboxtest.Entry) *mailbox.State {
	s := mailbox.New()
	for _, x := range log {
		s.Apply(x.Position, x.Time, x.Event)
	}
	return s
}

// TestSame holds Same against the comparison by reflection, on folds of which
// one lacks a record: they often come out equal, and often not.
func TestSame(t *testing.T) {
	equal, different := 0, 0
	for seed := range uint64(60) {
		log := mailboxtest.NewLog(seed).Take(60)
		without := append(append([]mailboxtest.Entry{}, log[:seed]...), log[seed+1:]...)
		a, b := fold(log), fold(without)
		if err := mailbox.Same(a, fold(log)); err != nil {
			t.Fatalf("seed %d: the same log: %v", seed, err)
		}
		diff, err := mailboxtest.Diff(a, b, false), mailbox.Same(a, b)
		if (diff == "") != (err == nil) {
			t.Fatalf("seed %d: Same says %v, the difference is\n%s", seed, err, diff)
		}
		if err == nil {
			equal++
		} else {
			different++
		}
	}
	if equal == 0 || different == 0 {
		t.Errorf("%d equal, %d different: the test shows nothing", equal, different)
	}
}

// TestInvariants folds random logs of several users.
func TestInvariants(t *testing.T) {
	for seed := range uint64(20) {
		log, s := mailboxtest.NewLog(seed), mailbox.New()
		for range 2000 {
			x := log.Next()
			s.Apply(x.Position, x.Time, x.Event)
			if err := s.CheckInvariants(); err != nil {
				t.Fatalf("seed %d, %v: %v", seed, x.Position, err)
			}
		}
	}
}
