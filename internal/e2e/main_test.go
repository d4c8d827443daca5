package e2e

import (
	"testing"

	"go.uber.org/goleak"

	"waybill/internal/engine"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	goleak.VerifyTestMain(m)
}
