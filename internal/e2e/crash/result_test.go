package crash

import "testing"

// TestSomeViolations: none of many kinds hides the others.
func TestSomeViolations(t *testing.T) {
	var r Result
	for range 30 {
		r.wrong("out of order", "by one")
	}
	r.wrong("the history", "has too much")
	if all := r.some(5); len(all) != 6 || all[5].what != "the history" || len(r.Violations) != 31 {
		t.Errorf("shown are %v of %d", all, len(r.Violations))
	}
	if got := r.kinds(); got != "out of order 30, the history 1" {
		t.Errorf("kinds: %s", got)
	}
}

// TestCallsAddUp: a push that was not accepted was said again.
func TestCallsAddUp(t *testing.T) {
	for _, c := range []struct {
		retried int64
		want    int
	}{{6, 0}, {5, 1}, {7, 1}} {
		r := Result{refused: 1, doubtful: 2, unanswered: 3, retried: c.retried}
		if r.checkCalls(); len(r.Violations) != c.want {
			t.Errorf("%d said again: found %v, want %d", c.retried, r.Violations, c.want)
		}
	}
}
