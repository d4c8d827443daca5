package schemas

import "testing"

func TestEveryReasonIsExplained(t *testing.T) {
	for n := range Reason_name {
		r := Reason(n)
		if _, ok := explanations[r]; !ok {
			t.Errorf("%v has no explanation", r)
		}
		if back, ok := ReasonOf(r.Word()); !ok || back != r {
			t.Errorf("%v: word %q does not lead back to it", r, r.Word())
		}
	}
}
