package schemas

import (
	"os"
	"strings"
	"testing"
)

// TestReasonsAreExplained: docs/delivery.md has every reason with which a push
// may end, in the sentence that traces show.
func TestReasonsAreExplained(t *testing.T) {
	page, err := os.ReadFile("../docs/delivery.md")
	if err != nil {
		t.Fatal(err)
	}
	for n := range Reason_name {
		r := Reason(n)
		if n < firstOutcomeReason || n > lastOutcomeReason {
			continue
		}
		if row := "| `" + r.Word() + "` | " + r.Explain() + " |"; !strings.Contains(string(page), row) {
			t.Errorf("docs/delivery.md has no row that ends with %s", row)
		}
	}
}

// Reasons of outcomes have the numbers of this stretch of reason.proto.
const (
	firstOutcomeReason = 100
	lastOutcomeReason  = 149
)
