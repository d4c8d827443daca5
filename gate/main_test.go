package gate

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if !runChild() {
		goleak.VerifyTestMain(m)
	}
}
