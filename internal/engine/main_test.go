package engine

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ChildMain()
	parentMain()
	goleak.VerifyTestMain(m)
}
