package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"waybill/internal/engine"
)

func TestMain(m *testing.M) {
	engine.ChildMain()
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if built != "" {
			_ = os.RemoveAll(filepath.Dir(built))
		}
		os.Exit(code)
	}))
}
